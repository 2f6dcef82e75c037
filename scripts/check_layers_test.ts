import assert from "node:assert/strict";
import { findViolations } from "./check_layers.ts";

function project(files: Record<string, string>): Map<string, string> {
  return new Map(Object.entries(files));
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

Deno.test("layer check lets platform and tests touch the outside world, and nobody else", () => {
  const ways = [
    `Deno.env.get("NOW")`,
    `Date.now()`,
    `crypto.randomUUID()`,
    `Math.random()`,
    `setTimeout(() => {}, 1)`,
    `await fetch("http://x")`,
    `await import("node:fs")`,
  ];
  for (const way of ways) {
    const text = `export const now = () => ${way};`;
    assert.deepEqual(findViolations(project({ "src/platform/a.ts": text, "src/wal/a_test.ts": text })), []);
    assert.match(
      findViolations(project({ "src/wal/a.ts": text }))[0],
      /touches the outside world by itself/,
      way,
    );
  }
  assert.deepEqual(findViolations(project({ "src/wal/a.ts": `// Never calls Deno.anything.` })), []);
});

Deno.test("layer check takes a file that says it is pure at its word, with all that it runs", () => {
  const clock = { "src/platform/clock.ts": "export const now = () => Date.now();" };
  const pure = (imports: string) => `/**\n * The bytes of a log. Pure.\n */\n${imports}`;
  const type = project({
    ...clock,
    "src/wal/a.ts": pure(`import type { now } from "../platform/clock.ts";`),
  });
  assert.deepEqual(findViolations(type), []);
  const value = project({
    ...clock,
    "src/wal/a.ts": pure(`import { b } from "./b.ts";`),
    "src/wal/b.ts": `import { now } from "../platform/clock.ts";`,
  });
  assert.deepEqual(findViolations(value), [
    "src/wal/a.ts: says that it is pure, but touches the outside world: " +
    "src/wal/a.ts -> src/wal/b.ts -> src/platform/clock.ts",
  ]);
});

Deno.test("layer check counts the files of a folder, tests left out, and the lines of the command line", () => {
  const files = (count: number, name: string) =>
    Object.fromEntries(
      Array.from({ length: count }, (_, i) => [`src/wal/${name.replace("N", String(i))}`, ""]),
    );
  assert.deepEqual(findViolations(project({ ...files(40, "aN.ts"), ...files(9, "aN_test.ts") })), []);
  assert.deepEqual(findViolations(project(files(41, "aN.ts"))), [
    "src/wal: has 41 files, and at most 40 are allowed",
  ]);
  const long = project({ "src/cli/run.ts": "f();\n".repeat(7501) });
  assert.deepEqual(findViolations(long), ["src/cli: has 7501 lines, and at most 7500 are allowed"]);
});

Deno.test("layer check refuses a folder that the layout does not know", () => {
  const sources = project({ "src/utils/strings.ts": "" });
  assert.match(findViolations(sources)[0], /lies in no known layer/);
});

Deno.test("layer check refuses an export that nobody else names, and lets types be", () => {
  const sources = project({
    "src/wal/a.ts": "export const used = 1;\nexport function unused() {}\nexport interface Options {}",
    "src/wal/a_test.ts": `import { used } from "./a.ts";`,
  });
  assert.deepEqual(findViolations(sources), ["src/wal/a.ts: exports unused, which nobody else uses"]);
});
