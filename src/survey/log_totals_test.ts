import assert from "node:assert/strict";
import { ArchiveSurvey } from "./archive_totals.ts";
import type { ListedFile } from "./directory.ts";
import type { Files } from "../platform/files.ts";
import { systemFiles } from "../platform/system_files.ts";
import { ManualClock } from "../../tests/support/manual_clock.ts";
import type { Pending } from "./log_tally.ts";
import { LogSurvey, totalLogs } from "./log_totals.ts";

class Directory implements Disposable {
  readonly path = Deno.makeTempDirSync({ prefix: "airunner-survey-" });

  write(name: string, bytes: number): string {
    Deno.writeFileSync(`${this.path}/${name}`, new Uint8Array(bytes));
    return `${this.path}/${name}`;
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}

/** The real files, looked at a second after they were written, with locks on the inodes of `locked`. */
function hostOf(locked: Iterable<string> = []) {
  const inodes = new Set([...locked].map((path) => Deno.statSync(path).ino));
  const isLocked = ({ ino }: { ino: number }) => inodes.has(ino);
  const files: Files = { ...systemFiles, lockTable: () => ({ isLocked, ownerOf: () => undefined }) };
  return { files, clock: new ManualClock(Date.now() + 1000) };
}

/** A survey that finds one pending event for each byte of a log. */
function surveyOf(directory: Directory, more: { own?: Set<string>; locked?: Set<string> } = {}) {
  const read: string[] = [];
  const unreadable: string[] = [];
  const survey = new LogSurvey({
    host: hostOf(more.locked),
    directory: directory.path,
    isOwn: (path) => more.own?.has(path) ?? false,
    // deno-lint-ignore require-await -- as asynchronous as reading is
    async read({ name, bytes }: ListedFile): Promise<Pending> {
      read.push(name);
      if (name.startsWith("unreadable")) throw new Deno.errors.PermissionDenied(name);
      if (name.startsWith("gone")) throw new Deno.errors.NotFound(name);
      return { events: bytes, bytes: 10 * bytes, oldestMs: bytes > 0 ? 1000 - bytes : undefined };
    },
    onUnreadable: (path) => unreadable.push(path),
  });
  return { survey, read, unreadable };
}

Deno.test("survey reads each log once, and again only when it has changed", async () => {
  using directory = new Directory();
  directory.write("a.wal", 1);
  directory.write("b.wal", 2);
  const { survey, read } = surveyOf(directory);
  assert.equal(totalLogs([], await survey.run(), false).events, 3);
  assert.deepEqual(read.splice(0).sort(), ["a.wal", "b.wal"]);
  assert.equal(totalLogs([], await survey.run(), false).events, 3);
  assert.deepEqual(read.splice(0), []);
  directory.write("b.wal", 5);
  assert.equal(totalLogs([], await survey.run(), false).events, 6);
  assert.deepEqual(read.splice(0), ["b.wal"]);
  Deno.removeSync(`${directory.path}/a.wal`);
  assert.equal(totalLogs([], await survey.run(), false).events, 5);
});

Deno.test("a new file under an old name is another log, and a new name for an old file is not", async () => {
  using directory = new Directory();
  const a = directory.write("a.wal", 1);
  const { survey, read } = surveyOf(directory);
  await survey.run();
  Deno.renameSync(a, `${directory.path}/b.wal`);
  directory.write("a.wal", 1);
  read.length = 0;
  assert.equal(totalLogs([], await survey.run(), false).events, 2);
  assert.deepEqual(read, ["a.wal"]);
});

Deno.test("survey takes what *.wal matches for a log, *.corrupt for quarantined, and nothing else", async () => {
  using directory = new Directory();
  for (const name of ["a.wal", "a.b.wal", ".b.wal", ".b.wal.tmp-1", "c.wal.cut-16", "d.wal.zst", "notes"]) {
    directory.write(name, 1);
  }
  for (const name of ["e.wal.corrupt", "e.wal.corrupt-2"]) directory.write(name, 1);
  Deno.mkdirSync(`${directory.path}/f.wal`);
  Deno.symlinkSync(`${directory.path}/a.wal`, `${directory.path}/g.wal`);
  const { survey, read } = surveyOf(directory);
  const others = await survey.run();
  assert.deepEqual(read.sort(), ["a.b.wal", "a.wal"]);
  assert.equal(others.quarantined, 2);
  assert.equal(others.directoryBytes, 9);
  assert.deepEqual(
    [...others.pending.keys()].sort(),
    ["a.b.wal", "a.wal"].map((name) => `${directory.path}/${name}`),
  );
});

Deno.test("a log that cannot be read is reported and the others are counted", async () => {
  using directory = new Directory();
  directory.write("a.wal", 1);
  directory.write("gone.wal", 1);
  const path = directory.write("unreadable.wal", 1);
  const { survey, unreadable } = surveyOf(directory);
  assert.equal(totalLogs([], await survey.run(), false).events, 1);
  assert.deepEqual(unreadable, [path]);
});

Deno.test("own logs count as they are now, also those that were taken up since the survey", async () => {
  using directory = new Directory();
  const paths = ["own", "taken", "locked", "orphaned", "empty"].map((name, i) =>
    directory.write(`${name}.wal`, name === "empty" ? 0 : 10 * (i + 1))
  );
  const { survey, read } = surveyOf(directory, { own: new Set([paths[0]]), locked: new Set([paths[2]]) });
  const others = await survey.run();
  assert.ok(!read.includes("own.wal"));
  const own = [
    { path: paths[0], events: 1000, bytes: 5, oldestMs: 990 },
    { path: paths[1], events: 2000, bytes: 5, oldestMs: 991 },
  ];
  assert.deepEqual(totalLogs(own, others, false), {
    events: 3000 + 30 + 40,
    bytes: 10 + 300 + 400,
    oldestMs: 960,
    oldestPath: paths[3],
    active: 3,
    orphaned: 2,
  });
  // Logs stay where they are when everything is delivered: then nobody left that one behind.
  assert.equal(totalLogs(own, others, true).orphaned, 1);
});

Deno.test("with nothing pending there is no oldest event", async () => {
  using directory = new Directory();
  directory.write("a.wal", 0);
  const { oldestMs, oldestPath } = totalLogs([], await surveyOf(directory).survey.run(), false);
  assert.deepEqual([oldestMs, oldestPath], [undefined, undefined]);
});

Deno.test("archives are opened once, and one that does not say how long its log was counts as it is", async () => {
  using directory = new Directory();
  directory.write("a.wal.zst", 10);
  directory.write("b.wal.zst", 20);
  directory.write(".c.wal.zst", 5);
  directory.write("d.wal.zst.quarantined", 3);
  const opened: string[] = [];
  const survey = new ArchiveSurvey({
    host: hostOf(),
    directory: directory.path,
    readRawBytes(path) {
      opened.push(path);
      return Promise.resolve(path.endsWith("/a.wal.zst") ? 100 : undefined);
    },
  });
  const expected = { files: 2, bytes: 30, rawBytes: 120, directoryBytes: 38 };
  assert.deepEqual(await survey.run(), expected);
  assert.deepEqual(await survey.run(), expected);
  assert.equal(opened.length, 2);
});
