/**
 * What the process itself uses. prom-client's own collectors are not used: several of them are wrong on Deno.
 */
import { cpuUsage } from "node:process";
import type { MetricRegistry } from "./registry.ts";
import type { ServerMetric, WorkerMetric } from "./table.ts";

type ProcessMetric = WorkerMetric & ServerMetric;

export function readProcess(registry: MetricRegistry<ProcessMetric>): void {
  const { user, system } = cpuUsage();
  registry.set("process_resident_memory_bytes", Deno.memoryUsage().rss);
  registry.setTotal("process_cpu_seconds_total", (user + system) / 1e6);
  registry.set("process_start_time_seconds", performance.timeOrigin / 1000);
}
