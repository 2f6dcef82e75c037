/**
 * What a worker takes while it waits for jobs: the compiled binary, after a first job, scraped as Prometheus
 * does it.
 */
import { Sandbox } from "../tests/support/airunner.ts";
import type { Row } from "./bench_table.ts";

const IDLE_TARGET_MB = 90;
/** Four hours of scrapes, one every 15 s. */
const SCRAPES = 960;

export async function benchIdle(): Promise<Row[]> {
  await using sandbox = new Sandbox();
  const { url } = await sandbox.startServer();
  const worker = sandbox.start(["worker", `--server=${url}`, "--metrics-listen=127.0.0.1:0"]);
  await worker.waitFor(/Worker started/);
  const fresh = residentMb(worker.pid);
  await sandbox.run(["submit", `--server=${url}`, "--", "sh", "-c", "head -c 10000000 /dev/zero"]);
  await worker.waitFor(/Log archived/);
  const [, metrics] = await worker.waitFor(/Serving metrics url=(\S+)/);
  for (let scrape = 0; scrape < SCRAPES; scrape++) await (await fetch(`${metrics}/metrics`)).text();
  const scraped = residentMb(worker.pid);
  await worker.kill("SIGTERM");
  return [
    { name: "worker, just started", value: fresh, unit: "MB", target: IDLE_TARGET_MB, lowerIsBetter: true },
    { name: `worker, after a job of 10 MB and ${SCRAPES} scrapes`, value: scraped, unit: "MB" },
  ];
}

function residentMb(pid: number): number {
  const kilobytes = /VmRSS:\s+(\d+) kB/.exec(Deno.readTextFileSync(`/proc/${pid}/status`))?.[1];
  return Number(kilobytes) * 1024 / 1e6;
}
