/**
 * Prometheus' text format, read strictly: whatever does not belong there fails the test that reads it.
 */
import assert from "node:assert/strict";

export interface Sample {
  name: string;
  labels: Record<string, string>;
  value: number;
}

export interface Family {
  name: string;
  type: string;
  help: string;
  samples: Sample[];
}

const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? ([-+0-9.e]+)$/;

/** The families by name, in their order. */
export function parseMetrics(text: string): Map<string, Family> {
  assert.ok(text.endsWith("\n"), "the last line must end");
  const families = new Map<string, Family>();
  let family: Family | undefined;
  for (const line of text.split("\n")) {
    if (line === "") continue;
    const help = /^# HELP (\S+) (.+)$/.exec(line);
    const type = /^# TYPE (\S+) (counter|gauge|histogram)$/.exec(line);
    if (help !== null) {
      assert.ok(!families.has(help[1]), `${help[1]} is declared twice`);
      families.set(help[1], family = { name: help[1], help: help[2], type: "", samples: [] });
    } else if (type !== null) {
      assert.equal(family?.name, type[1]);
      family!.type = type[2];
    } else {
      family!.samples.push(parseSample(line, family!));
    }
  }
  return families;
}

function parseSample(line: string, { name: family, type }: Family): Sample {
  const match = SAMPLE.exec(line);
  assert.ok(match !== null, `not a sample: ${line}`);
  const name = match[1];
  const names = type === "histogram" ? ["_bucket", "_sum", "_count"].map((end) => family + end) : [family];
  assert.ok(names.includes(name), `${name} does not belong to the ${type} ${family}`);
  const pairs = [...(match[2] ?? "").matchAll(/([a-z_]+)="([^"\\]*)"(?:,|$)/g)];
  const labels = Object.fromEntries(pairs.map(([, label, value]) => [label, value]));
  return { name, labels, value: Number(match[3]) };
}

/** The value of one series; fails when there is not exactly one. */
export function valueOf(
  families: ReadonlyMap<string, Family>,
  name: string,
  labels: Record<string, string> = {},
): number {
  const family = families.get(name) ?? families.get(name.replace(/_(bucket|sum|count)$/, ""));
  const found = family?.samples.filter((sample) =>
    sample.name === name && Object.entries(labels).every(([label, value]) => sample.labels[label] === value)
  );
  assert.equal(found?.length, 1, `${name} ${JSON.stringify(labels)}: ${found?.length} series`);
  return found![0].value;
}
