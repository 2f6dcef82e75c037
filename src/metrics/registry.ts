/**
 * Metrics as Prometheus reads them: makes everything that a table declares, counts, and writes the text
 * format. The only file that uses prom-client, which is loaded when the first registry is made: it costs 20
 * ms and 7 MB, and most commands have nothing to count.
 */
import type * as Prometheus from "./prometheus.ts";
import { type Metric, seriesOf } from "./table.ts";

/** The names of a table's metrics of one type. */
type NameOf<M extends Metric, T extends Metric["type"]> = Extract<M, { type: T }>["name"];

/** A metric's labels as an argument: none when it has none. */
type LabelsOf<M extends Metric, N extends string> = Extract<M, { name: N }> extends
  { labels: infer L extends Readonly<Record<string, readonly string[] | "any">> } ? [
    labels: { readonly [K in keyof L]: L[K] extends readonly string[] ? L[K][number] : string },
  ]
  : [];

export class MetricRegistry<const M extends Metric> {
  readonly #registry: Prometheus.Registry;
  readonly #counters = new Map<string, Prometheus.Counter>();
  readonly #gauges = new Map<string, Prometheus.Gauge>();
  readonly #histograms = new Map<string, Prometheus.Histogram>();

  private constructor(registry: Prometheus.Registry) {
    this.#registry = registry;
  }

  /** A registry with all of `metrics` at zero. */
  static async create<const M extends Metric>(metrics: readonly M[]): Promise<MetricRegistry<M>> {
    const prometheus = await import("./prometheus.ts");
    const registry = new MetricRegistry<M>(new prometheus.Registry());
    for (const metric of metrics) registry.#add(prometheus, metric);
    return registry;
  }

  #add(prometheus: typeof Prometheus, metric: Metric): void {
    const { name, help, type } = metric;
    const labelNames = Object.keys(metric.labels ?? {});
    const common = { name, help, labelNames, registers: [this.#registry] };
    if (type === "histogram") {
      const buckets = [...metric.buckets ?? []];
      this.#histograms.set(name, new prometheus.Histogram({ ...common, buckets }));
    } else if (type === "counter") {
      const counter = new prometheus.Counter(common);
      for (const labels of seriesOf(metric)) counter.inc(labels, 0);
      this.#counters.set(name, counter);
    } else {
      const gauge = new prometheus.Gauge(common);
      for (const labels of seriesOf(metric)) gauge.set(labels, 0);
      this.#gauges.set(name, gauge);
    }
  }

  /** Adds `by` to a counter. */
  count<N extends NameOf<M, "counter">>(name: N, by: number, ...[labels]: LabelsOf<M, N>): void {
    this.#counters.get(name)!.inc(labels ?? {}, by);
  }

  /**
   * Sets a gauge. What is not known at the moment is undefined, and has no sample: a number would be a lie.
   */
  set<N extends NameOf<M, "gauge">>(name: N, value: number | undefined, ...[labels]: LabelsOf<M, N>): void {
    const gauge = this.#gauges.get(name)!;
    if (value === undefined) gauge.remove(labels ?? {});
    else gauge.set(labels ?? {}, value);
  }

  /** Sets a gauge for exactly these labels: those that it had before and that are not among them are gone. */
  setAll<N extends NameOf<M, "gauge">>(
    name: N,
    samples: readonly { labels: LabelsOf<M, N>[0]; value: number }[],
  ): void {
    const gauge = this.#gauges.get(name)!;
    gauge.reset();
    for (const { labels, value } of samples) gauge.set(labels ?? {}, value);
  }

  /** Sets a counter whose total somebody else keeps. */
  setTotal<N extends NameOf<M, "counter">>(name: N, total: number): void {
    const counter = this.#counters.get(name)!;
    counter.reset();
    counter.inc(total);
  }

  /** Adds a duration to a histogram of seconds. */
  observeMs<N extends NameOf<M, "histogram">>(name: N, durationMs: number): void {
    this.#histograms.get(name)!.observe(durationMs / 1000);
  }

  /** The text format, version 0.0.4. */
  render(): Promise<string> {
    return this.#registry.metrics();
  }
}

export const METRICS_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";
