/**
 * Reads the metrics and the health of a running binary, as Prometheus and a process manager would.
 */
import type { Program } from "./airunner.ts";
import { type Family, parseMetrics, valueOf } from "./metrics_text.ts";

/** Between two looks at a value that changes by itself: nothing tells that it has. */
const LOOK_AGAIN_MS = 50;

export class Scrape {
  constructor(readonly text: string, readonly families: ReadonlyMap<string, Family>) {}

  value(name: string, labels: Record<string, string> = {}): number {
    return valueOf(this.families, name, labels);
  }
}

export class Scraper {
  private constructor(readonly url: string) {}

  /** Of a worker that was started with `--metrics-listen=127.0.0.1:0`. */
  static async ofWorker(worker: Program): Promise<Scraper> {
    const [, url] = await worker.waitFor(/Serving metrics url=(http:\S+)/);
    return new Scraper(url);
  }

  static at(url: string): Scraper {
    return new Scraper(url);
  }

  async scrape(): Promise<Scrape> {
    const response = await fetch(`${this.url}/metrics`);
    const text = await response.text();
    if (response.status !== 200) throw new Error(`/metrics answers ${response.status}: ${text}`);
    return new Scrape(text, parseMetrics(text));
  }

  /** The first scrape of which `holds` is true; waits as long as it takes. */
  async until(holds: (scrape: Scrape) => boolean): Promise<Scrape> {
    for (;;) {
      const scrape = await this.scrape();
      if (holds(scrape)) return scrape;
      await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
    }
  }

  async health(path: "/healthz" | "/readyz"): Promise<{ status: number; text: string }> {
    const response = await fetch(this.url + path);
    return { status: response.status, text: await response.text() };
  }

  /** The text of /readyz once it answers with `status`. */
  async untilReadiness(status: number, text = /./): Promise<string> {
    for (;;) {
      const ready = await this.health("/readyz");
      if (ready.status === status && text.test(ready.text)) return ready.text;
      await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
    }
  }
}
