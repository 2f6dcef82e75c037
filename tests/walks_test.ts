/**
 * The walks in the design page, held against the imports of the code.
 */
import assert from "node:assert/strict";
import { ALLOWED, importsOf, layerOf } from "../scripts/check_layers.ts";
import { existsInProject, readDocument, readSources } from "./support/documents.ts";
import { readTable } from "./support/markdown.ts";

/** Each walk by what its table's second column is called, with as many stops as it may have. */
const WALKS = {
  "a byte of output": 28,
  "the setting": 12,
  "the damaged record": 17,
  "the acknowledgement": 11,
} as const;

interface Stop {
  readonly file: string;
  /** What the third column says. */
  readonly how: string;
}

const sources = readSources();

function readWalk(document: string, thing: string): Stop[] {
  return readTable(document, `| stop | ${thing} | from the file above |`).map(([file, what, how]) => {
    assert.notEqual(what, "", `${file}: nothing happens there`);
    return { file: pathOf(file), how };
  });
}

/** `wal/log.ts` of the page is a file of the project; `@connectrpc/connect` is a library. */
function pathOf(code: string): string {
  const name = /^`([^`]+)`$/.exec(code)?.[1] ?? assert.fail(`${code} is no name in a code span`);
  return name.endsWith(".ts") ? `src/${name}` : name;
}

function imports(from: string, to: string): boolean {
  const text = sources.get(from);
  if (text === undefined) return false;
  return to.endsWith(".ts") ? importsOf(from, text).includes(to) : text.includes(` from "${to}";`);
}

/**
 * Whether an import from one file to another may be: into the own room, or one below. A library is below all.
 */
function pointsDown(from: string, to: string): boolean {
  const [room, other] = [layerOf(from), layerOf(to)];
  return other === undefined || room === other || (room !== undefined && ALLOWED[room].includes(other));
}

/** One sentence for each thing that is wrong with how a stop is reached from the one before. */
function faultsOfStep(before: string, { file, how }: Stop): string[] {
  const step = `${before} -> ${file} (${how})`;
  const has = (from: string, to: string) => imports(from, to) && pointsDown(from, to);
  if (how === "called") return has(before, file) ? [] : [`${step}: the first does not import the second`];
  if (how === "returned") return has(file, before) ? [] : [`${step}: the second does not import the first`];
  const named = /^through (.+)$/.exec(how)?.[1].split(", ").map(pathOf);
  if (named === undefined) return [`${step}: it is not said how`];
  const chain = [before, ...named, file];
  return chain.slice(1).flatMap((to, index) =>
    has(chain[index], to) || has(to, chain[index])
      ? []
      : [`${step}: ${chain[index]} and ${to} are not joined`]
  );
}

function faultsOf(walk: readonly Stop[], stopsMax: number): string[] {
  const faults: string[] = [];
  if (walk.length > stopsMax) faults.push(`${walk.length} stops, and at most ${stopsMax} are allowed`);
  walk.forEach(({ file }, index) => {
    if (!existsInProject(file)) faults.push(`there is no ${file}`);
    if (walk.findIndex((stop) => stop.file === file) < index) faults.push(`${file} is named twice`);
  });
  if (walk[0].how !== "") faults.push(`${walk[0].file} is the first stop, and nothing comes before it`);
  for (let i = 1; i < walk.length; i++) faults.push(...faultsOfStep(walk[i - 1].file, walk[i]));
  return faults;
}

for (const [thing, stopsMax] of Object.entries(WALKS)) {
  Deno.test(`the walk of ${thing} names each file once, and goes along imports that point down`, () => {
    const document = readDocument("docs/design.md");
    const walk = readWalk(document, thing);
    assert.deepEqual(faultsOf(walk, stopsMax), []);
    const [, said] = /\n\n(\d+) stops\b/.exec(document.slice(document.indexOf(`| stop | ${thing} |`))) ?? [];
    assert.equal(Number(said), walk.length, "the number of stops below the table");
  });
}

Deno.test("a walk that is not in the code is found out", () => {
  const walk = (...stops: (readonly [file: string, how: string])[]) =>
    stops.map(([file, how]) => ({ file: `src/${file}`, how }));
  const start = ["wal/log.ts", ""] as const;
  assert.deepEqual(faultsOf(walk(start, ["wal/backlog.ts", "called"]), 2), []);
  const wrong = [
    walk(start, ["wal/backlog.ts", "called"], ["wal/format.ts", "called"]),
    walk(start, ["wal/backlog.ts", "returned"]),
    walk(start, ["wal/backlog.ts", ""]),
    walk(start, ["delivery/sender.ts", "called"]),
    walk(start, ["delivery/sender.ts", "through `wal/backlog.ts`"]),
    walk(start, ["wal/gone.ts", "called"]),
    walk(start, ["wal/log.ts", "through `wal/backlog.ts`"]),
    walk(["wal/log.ts", "called"], ["wal/backlog.ts", "called"]),
  ];
  for (const one of wrong) assert.notDeepEqual(faultsOf(one, 2), [], JSON.stringify(one));
});

Deno.test("an import that points up is no step of a walk", () => {
  assert.equal(pointsDown("src/job/deliver_log.ts", "src/wal/log.ts"), true);
  assert.equal(pointsDown("src/wal/log.ts", "src/wal/group.ts"), true);
  assert.equal(pointsDown("src/wal/log.ts", "src/job/deliver_log.ts"), false);
  assert.equal(pointsDown("src/delivery/sender.ts", "src/wal/log.ts"), false);
});
