import assert from "node:assert/strict";
import type { ListedFile } from "./directory.ts";
import { FactsCache, type KnownFacts } from "./facts_cache.ts";

const CHANGED_MS = 1_000_000;
const LATER_MS = CHANGED_MS + 60_000;
const FILE: ListedFile = {
  name: "a.wal",
  path: "/wal/a.wal",
  dev: 1,
  ino: 7,
  bytes: 100,
  mtimeMs: CHANGED_MS,
  mode: 0o600,
  ownerId: 1000,
};

/** A cache whose files are read by their names, and the names that were read. */
function watchedCache(known: [string, KnownFacts<string>][] = []) {
  const cache = new FactsCache<string>(known);
  const read: string[] = [];
  const find = (file: ListedFile) => Promise.resolve(`${read.push(file.name)}. ${file.name}`);
  return { cache, read, of: (file: ListedFile, nowMs = LATER_MS) => cache.of(file, find, nowMs) };
}

Deno.test("a file is read again when its size, its time or its inode is another, and by no other name", async () => {
  const { read, of } = watchedCache();
  await of(FILE);
  assert.equal(await of({ ...FILE, name: "renamed.wal" }), "1. a.wal");
  await of({ ...FILE, bytes: 101 });
  await of({ ...FILE, bytes: 101, mtimeMs: CHANGED_MS + 1 });
  await of({ ...FILE, ino: 8 });
  assert.deepEqual(read, ["a.wal", "a.wal", "a.wal", "a.wal"]);
});

Deno.test("a file that was changed just now is not remembered: it may change again under the same time", async () => {
  const { read, of } = watchedCache();
  await of(FILE, CHANGED_MS + 10);
  await of(FILE, CHANGED_MS + 10);
  assert.equal(read.length, 2);
});

Deno.test("what could not be found out is asked for again", async () => {
  const { cache, of } = watchedCache();
  await assert.rejects(cache.of(FILE, () => Promise.reject(new Error("gone")), LATER_MS), /gone/);
  assert.equal(await of(FILE), "1. a.wal");
});

Deno.test("files that nobody asks for any more are forgotten, and only a change is worth being kept", async () => {
  const facts = { bytes: FILE.bytes, mtimeMs: FILE.mtimeMs, facts: "known" };
  const { cache, read, of } = watchedCache([["1:7", facts], ["1:9", facts]]);
  assert.equal(await of(FILE), "known");
  cache.forgetUnseen();
  assert.deepEqual([...cache.content.known.keys()], ["1:7"]);
  assert.equal(cache.content.isChanged, true);
  const same = watchedCache([["1:7", facts]]);
  await same.of(FILE);
  same.cache.forgetUnseen();
  assert.equal(same.cache.content.isChanged, false);
  assert.deepEqual([...read, ...same.read], []);
});
