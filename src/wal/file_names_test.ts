import assert from "node:assert/strict";
import fc from "fast-check";
import { hiddenName } from "../platform/publish_file.ts";
import {
  archiveName,
  cutNames,
  isOwnLog,
  logName,
  logNames,
  parseLogName,
  quarantineNames,
  readFileName,
} from "./file_names.ts";
import { systemFiles } from "../platform/system_files.ts";

Deno.test("log names count from the second on", () => {
  const names = logNames("0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b");
  assert.equal(names.next().value, "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b.wal");
  assert.equal(names.next().value, "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b.2.wal");
});

Deno.test("job ids that are not safe as file names are refused", () => {
  for (const id of ["", ".", "..", "../x", "a/b", "a.b", ".a", "-a", "a\0", "a b", "ä", "x".repeat(129)]) {
    assert.throws(() => logName(id), RangeError, JSON.stringify(id));
  }
  for (const copy of [0, -1, 1.5, NaN]) assert.throws(() => logName("a", copy), RangeError);
});

Deno.test("a name that was made is understood, archived or not", () => {
  fc.assert(
    fc.property(
      fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_-]{0,40}$/),
      fc.integer({ min: 1, max: 99_999 }),
      (jobId, copy) => {
        assert.deepEqual(parseLogName(logName(jobId, copy)), { jobId, copy });
        assert.deepEqual(parseLogName(logName(jobId, copy) + ".zst"), { jobId, copy });
      },
    ),
  );
});

Deno.test("a file is what its name says", () => {
  const uuid = "0190a1b2-c3d4-4e5f-8a9b-0c1d2e3f4a5b";
  const a = { jobId: "a", copy: 1 };
  const rule: [name: string, kind: string | undefined, of?: string, job?: { jobId: string; copy: number }][] =
    [
      ["a.wal", "log", "a.wal", a],
      ["a.2.wal", "log", "a.2.wal", { jobId: "a", copy: 2 }],
      // Listed, verified and counted, but not taken up: a copy that somebody made of a running job's log may
      // be called so.
      ["a.b.wal", "log", "a.b.wal", undefined],
      ["a.1.wal", "log", "a.1.wal", undefined],
      ["a b.wal", "log", "a b.wal", undefined],
      ["a.wal.zst", "archive", "a.wal.zst", a],
      ["a.2.wal.zst", "archive", "a.2.wal.zst", { jobId: "a", copy: 2 }],
      ["old a.b.wal.zst", "archive", "old a.b.wal.zst", undefined],
      ["a.wal.corrupt", "quarantined", "a.wal", a],
      ["a.2.wal.corrupt-2", "quarantined", "a.2.wal", { jobId: "a", copy: 2 }],
      ["a.wal.corrupt-11", "quarantined", "a.wal", a],
      ["a.b.wal.corrupt", "quarantined", "a.b.wal", undefined],
      ["a.wal.cut-0", "cut", "a.wal", a],
      ["a.wal.cut-270-2", "cut", "a.wal", a],
      [`.a.wal.tmp-${uuid}`, "temporary", "a.wal", a],
      [`.a.2.wal.zst.tmp-${uuid}`, "temporary", "a.2.wal.zst", { jobId: "a", copy: 2 }],
      [`.a.wal.cut-270.tmp-${uuid}`, "temporary", "a.wal", a],
      ["a.wal.corrupt-1", undefined],
      ["a.wal.corrupt-x", undefined],
      ["notes.corrupt", undefined],
      ["a.wal.cut-", undefined],
      ["a.wal.bak", undefined],
      [".a.wal", undefined],
      [".wal", undefined],
      [".a.wal.tmp-1", undefined],
      [`.a.wal.tmp-${uuid}.bak`, undefined],
      [`a.wal.tmp-${uuid}`, undefined],
      [`.notes.tmp-${uuid}`, undefined],
      [`..a.wal.tmp-${uuid}.tmp-${uuid}`, undefined],
      ["", undefined],
    ];
  for (const [name, kind, of, job] of rule) {
    assert.deepEqual(readFileName(name), kind === undefined ? undefined : { kind, of, job }, name);
  }
  const own = rule.map(([name]) => name).filter(isOwnLog);
  assert.deepEqual(own, ["a.wal", "a.2.wal"]);
});

Deno.test("names that are made are read as what they were made for", () => {
  const [first, second] = quarantineNames("a.wal");
  assert.deepEqual([first, second], ["a.wal.corrupt", "a.wal.corrupt-2"]);
  for (const name of [first, second]) assert.equal(readFileName(name)?.kind, "quarantined");
  const [cut, cutAgain] = cutNames("a.wal", 16);
  assert.deepEqual([cut, cutAgain], ["a.wal.cut-16", "a.wal.cut-16-2"]);
  for (const name of [cut, cutAgain]) assert.equal(readFileName(name)?.kind, "cut");
  assert.equal(readFileName(archiveName("a.wal"))?.kind, "archive");
  for (const name of ["a.wal", "a.wal.zst", cut]) {
    const hidden = readFileName(hiddenName(name, systemFiles));
    assert.deepEqual([hidden?.kind, hidden?.job?.jobId], ["temporary", "a"]);
  }
});
Deno.test("other names are nobody's log", () => {
  for (
    const name of [
      "a.wal.corrupt",
      "a.wal.cut-270",
      ".a.wal.tmp-1",
      "a.1.wal",
      "a.02.wal",
      "a.wal\n",
      "a",
      ".wal",
      "b/a.wal",
    ]
  ) {
    assert.equal(parseLogName(name), undefined, name);
  }
});
