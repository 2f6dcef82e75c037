import assert from "node:assert/strict";
import { findViolations } from "./check_layers.ts";

/** The files that the check insists on, empty, and those of the test. */
function project(files: Record<string, string>): Map<string, string> {
  const pure = [
    "src/wal/format.ts",
    "src/wal/crc64.ts",
    "src/wal/scanner.ts",
    "src/wal/ledger.ts",
    "src/wal/recovery.ts",
    "src/archive/frames.ts",
    "src/client/backoff.ts",
    "src/job/batcher.ts",
  ];
  return new Map([...pure.map((path) => [path, ""] as const), ...Object.entries(files)]);
}

Deno.test("layer check accepts arrows that point down", () => {
  const sources = project({
    "main.ts": `import { run } from "./src/cli/run.ts";`,
    "src/cli/run.ts": `const { Log } = await import("../wal/log.ts");`,
    "src/wal/log.ts": `import type { Clock } from "../platform/clock.ts";\nimport "./format.ts";`,
    "src/platform/clock.ts": `import { EventEmitter } from "node:events";`,
  });
  assert.deepEqual(findViolations(sources), []);
});

Deno.test("layer check refuses an arrow that points up, also a type's", () => {
  const sources = project({ "src/wal/log.ts": `import type { Sender } from "../delivery/sender.ts";` });
  assert.deepEqual(findViolations(sources), ["src/wal/log.ts: wal must not import src/delivery/sender.ts"]);
});

Deno.test("layer check refuses a dynamic import and a re-export that point up", () => {
  const sources = project({
    "src/server/store.ts": `const log = await import("../wal/log.ts");\nexport * from "../job/worker.ts";`,
  });
  assert.equal(findViolations(sources).length, 2);
});

Deno.test("layer check lets a unit test import what it needs, but not the code beside it", () => {
  const sources = project({
    "src/wal/log_test.ts": `import { x } from "../../tests/support/memory_files.ts";`,
    "src/wal/log.ts": `import { x } from "../../tests/support/memory_files.ts";`,
  });
  assert.deepEqual(findViolations(sources), [
    "src/wal/log.ts: wal must not import tests/support/memory_files.ts",
  ]);
});

Deno.test("layer check finds a cycle inside one layer", () => {
  const sources = project({
    "src/wal/log.ts": `import "./reader.ts";`,
    "src/wal/reader.ts": `import "./log.ts";`,
  });
  assert.deepEqual(findViolations(sources), ["cycle: src/wal/log.ts -> src/wal/reader.ts -> src/wal/log.ts"]);
});

Deno.test("layer check refuses a pure file that touches the runtime, but not one that mentions it", () => {
  const sources = project({
    "src/wal/format.ts": `export const now = () => Deno.env.get("NOW");`,
    "src/wal/scanner.ts": `// Never calls Deno.anything.`,
  });
  assert.deepEqual(findViolations(sources), ["src/wal/format.ts: is listed as pure but touches Deno.*"]);
});

Deno.test("layer check refuses a folder that the layout does not know", () => {
  const sources = project({ "src/utils/strings.ts": "" });
  assert.match(findViolations(sources)[0], /lies in no known layer/);
});
