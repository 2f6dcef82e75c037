import assert from "node:assert/strict";
import { findViolations, PURE } from "./check_layers.ts";

/** The files that the check insists on, empty, and those of the test. */
function project(files: Record<string, string>): Map<string, string> {
  return new Map([...PURE.map((path) => [path, ""] as const), ...Object.entries(files)]);
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
    "src/wal/log_test.ts": `import { x } from "../../tests/support/faulty_files.ts";`,
    "src/wal/log.ts": `import { x } from "../../tests/support/faulty_files.ts";`,
  });
  assert.deepEqual(findViolations(sources), [
    "src/wal/log.ts: wal must not import tests/support/faulty_files.ts",
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

Deno.test("layer check refuses ways to the outside past the seam, but for where it is put together", () => {
  const sources = project({
    "src/survey/facts.ts": `const text = await Deno.readTextFile(path);`,
    "src/doctor/room.ts": `import { statfs } from "node:fs";`,
    "src/client/ids.ts": `const id = crypto.randomUUID();`,
    "src/replay/run.ts": `import { systemFiles } from "../platform/system_files.ts";`,
    "src/cli/terminal/system_context.ts": `import { systemHost } from "../../platform/system_host.ts";`,
    "src/config/nearest.ts": `// Never calls Deno.stat.`,
    "src/survey/facts_test.ts": `Deno.test("facts", () => {});`,
    "src/platform/system_files.ts": `Deno.stat(".");`,
    "src/platform/system_host.ts": "",
  });
  assert.deepEqual(findViolations(sources), [
    "src/survey/facts.ts: reaches the outside past the seam: Deno.readTextFile",
    `src/doctor/room.ts: reaches the outside past the seam: "node:fs"`,
    "src/client/ids.ts: reaches the outside past the seam: crypto.random",
    "src/replay/run.ts: must get the outside as an argument, not from src/platform/system_files.ts",
  ]);
});
