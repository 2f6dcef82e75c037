/**
 * The real Prometheus and its promtool, from Debian's package `prometheus`.
 */
import assert from "node:assert/strict";
import { Program } from "./airunner.ts";

export interface ToolResult {
  success: boolean;
  output: string;
}

export async function promtool(args: string[], cwd?: string): Promise<ToolResult> {
  const { success, stdout, stderr } = await installed(
    "promtool",
    () => new Deno.Command("promtool", { args, cwd }).output(),
  );
  const decoder = new TextDecoder();
  return { success, output: decoder.decode(stdout) + decoder.decode(stderr) };
}

async function installed<T>(program: string, run: () => T | Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    const message = `${program} is missing, which this test needs: apt-get install prometheus`;
    throw new Error(message, { cause: error });
  }
}

/** Name of a job, and the host and port of its one target. */
export type Targets = Readonly<Record<string, string>>;

export interface PrometheusOptions {
  /** An empty or missing directory for its configuration and data. */
  directory: string;
  targets: Targets;
  /** Alerting rules, YAML. */
  rules?: string;
}

export interface QuerySample {
  labels: Record<string, string>;
  value: number;
}

export interface FiringAlert {
  name: string;
  labels: Record<string, string>;
  annotations: Record<string, string>;
}

/** Looks at what changes by itself so often, and at most so many times: half a minute. */
const LOOK_AGAIN_MS = 200;
const LOOKS_MAX = 150;

/** Scrapes and evaluates every second. */
export class Prometheus implements AsyncDisposable {
  readonly #program: Program;
  readonly #url: string;

  private constructor(program: Program, url: string) {
    this.#program = program;
    this.#url = url;
  }

  static async start({ directory, targets, rules }: PrometheusOptions): Promise<Prometheus> {
    Deno.mkdirSync(directory, { recursive: true });
    if (rules !== undefined) Deno.writeTextFileSync(`${directory}/alerts.yml`, rules);
    // JSON is YAML.
    Deno.writeTextFileSync(`${directory}/prometheus.yml`, JSON.stringify(configuration(targets, rules)));
    const command = new Deno.Command("prometheus", {
      args: [
        `--config.file=${directory}/prometheus.yml`,
        `--storage.tsdb.path=${directory}/data`,
        "--web.listen-address=127.0.0.1:0",
      ],
      cwd: directory,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    });
    const program = new Program(await installed("prometheus", () => command.spawn()));
    try {
      const [, address] = await program.waitFor(/msg="Listening on" address=(127\.0\.0\.1:\d+)/);
      await program.waitFor(/msg="Server is ready to receive web requests/);
      return new Prometheus(program, `http://${address}`);
    } catch (error) {
      await program.kill("SIGKILL");
      throw error;
    }
  }

  /** An instant query, which must give a vector. */
  async query(expression: string): Promise<QuerySample[]> {
    const { result, resultType } = await this.#get("query", { query: expression }) as {
      resultType: string;
      result: { metric: Record<string, string>; value: [number, string] }[];
    };
    assert.equal(resultType, "vector", expression);
    return result.map(({ metric, value }) => ({ labels: metric, value: Number(value[1]) }));
  }

  async labelValues(metric: string, label: string): Promise<string[]> {
    return await this.#get(`label/${label}/values`, { "match[]": metric }) as string[];
  }

  /** Only those that fire, not those that are pending. */
  async firing(): Promise<FiringAlert[]> {
    const { alerts } = await this.#get("alerts", {}) as {
      alerts: { state: string; labels: Record<string, string>; annotations: Record<string, string> }[];
    };
    return alerts.filter(({ state }) => state === "firing")
      .map(({ labels, annotations }) => ({ name: labels.alertname, labels, annotations }));
  }

  /**
   * Looks again and again until `find` gives something; fails with what `describe` says when it never does.
   */
  async until<T>(find: () => Promise<T | undefined>, describe: () => Promise<string>): Promise<T> {
    for (let looks = 0; looks < LOOKS_MAX; looks++) {
      const found = await find();
      if (found !== undefined) return found;
      await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
    }
    assert.fail(await describe());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#program.kill("SIGTERM");
  }

  async #get(path: string, parameters: Record<string, string>): Promise<unknown> {
    const response = await fetch(`${this.#url}/api/v1/${path}?${new URLSearchParams(parameters)}`);
    const { status, data, error } = await response.json();
    assert.equal(status, "success", `${JSON.stringify(parameters)}: ${error}`);
    return data;
  }
}

function configuration(targets: Targets, rules: string | undefined): unknown {
  return {
    global: { scrape_interval: "1s", scrape_timeout: "1s", evaluation_interval: "1s" },
    rule_files: rules === undefined ? [] : ["alerts.yml"],
    scrape_configs: Object.entries(targets).map(([job, target]) => ({
      job_name: job,
      static_configs: [{ targets: [target] }],
    })),
  };
}
