/**
 * Holds what a program shows against the table of its metrics.
 */
import assert from "node:assert/strict";
import { type Metric, seriesOf } from "../../src/metrics/table.ts";
import type { Scrape } from "./scraper.ts";

/** Every metric of the table is there, with all its series, and nothing else is. */
export function assertComplete(scrape: Scrape, metrics: readonly Metric[]): void {
  assert.deepEqual([...scrape.families.keys()], metrics.map(({ name }) => name));
  for (const metric of metrics) {
    const { type, samples } = scrape.families.get(metric.name)!;
    assert.equal(type, metric.type);
    if (type !== "histogram" && seriesOf(metric).length > 0) {
      assert.deepEqual(samples.map(({ labels }) => labels), seriesOf(metric), metric.name);
    }
  }
}
