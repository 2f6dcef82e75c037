/**
 * What the process itself uses. prom-client's own collectors are not used: several of them are wrong on Deno.
 */
import type { Processes } from "../platform/processes.ts";
import type { MetricRegistry } from "./registry.ts";
import type { ServerMetric, WorkerMetric } from "./table.ts";

type ProcessMetric = WorkerMetric & ServerMetric;

export function readProcess(registry: MetricRegistry<ProcessMetric>, processes: Processes): void {
  const { residentBytes, processorSeconds, startedAtSeconds } = processes.usage();
  registry.set("process_resident_memory_bytes", residentBytes);
  registry.setTotal("process_cpu_seconds_total", processorSeconds);
  registry.set("process_start_time_seconds", startedAtSeconds);
}
