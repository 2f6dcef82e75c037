import assert from "node:assert/strict";
import { judgeDirectory, judgeFiles } from "./directory_checks.ts";
import type { PathFacts } from "./probe.ts";
import { commandsOf, file } from "../../tests/support/healthy_probe.ts";

const GOOD: PathFacts = { kind: "directory", linkTarget: undefined, mode: 0o700, ownerId: 1000 };

Deno.test("a directory is judged by what it is, whose it is, and who else may use it", () => {
  const cases: [
    facts: PathFacts | undefined,
    userId: number,
    level: string,
    found: RegExp,
    command?: string,
  ][] = [
    [GOOD, 1000, "ok", /^\/data\/wal, for its owner alone \(mode 0700\)$/],
    [undefined, 1000, "ok", /not there yet; the first worker/],
    [{ ...GOOD, linkTarget: "/mnt/ssd/wal" }, 1000, "ok", /leads to \/mnt\/ssd\/wal/],
    [{ ...GOOD, mode: 0o755 }, 1000, "warning", /other users may see/, "chmod 700 /data/wal"],
    [{ ...GOOD, mode: 0o770 }, 1000, "warning", /other users may change/, "chmod 700 /data/wal"],
    [{ ...GOOD, mode: 0o500 }, 1000, "problem", /its owner may not use it/, "chmod 700 /data/wal"],
    [
      { ...GOOD, ownerId: 7 },
      1000,
      "problem",
      /belongs to user 7, and this is user 1000/,
      "sudo chown -R 1000 /data/wal",
    ],
    [{ ...GOOD, ownerId: 7 }, 0, "warning", /and this is root/, "sudo -u '#7' airunner doctor"],
    [{ ...GOOD, kind: "file" }, 1000, "problem", /is no directory/, "mv /data/wal /data/wal.old"],
    [
      { ...GOOD, kind: "broken_link", linkTarget: "/mnt/gone" },
      1000,
      "problem",
      /leads to \/mnt\/gone\), and nothing is there/,
      "ls -ld /mnt/gone",
    ],
  ];
  for (const [facts, userId, level, found, command] of cases) {
    const finding = judgeDirectory("/data/wal", facts, userId);
    assert.equal(finding.level, level, finding.found);
    assert.match(finding.found, found);
    assert.deepEqual(commandsOf(finding), command === undefined ? [] : [command]);
  }
});

Deno.test("a directory with a name for which a shell has other uses is quoted in the cure", () => {
  const finding = judgeDirectory("/data/a b'c", { ...GOOD, mode: 0o755 }, 1000);
  assert.deepEqual(commandsOf(finding), [`chmod 700 '/data/a b'\\''c'`]);
});

Deno.test("files of another user are a problem for a worker, and files that others can read a warning", () => {
  const files = [file("a.wal"), file("b.wal", { ownerId: 7 }), file("c.wal", { mode: 0o644 })];
  const finding = judgeFiles([{ directory: "/data/wal", files }], 1000);
  assert.equal(finding.level, "problem");
  assert.deepEqual(finding.measured, { files: 3, foreign: 1, open_to_others: 1 });
  assert.deepEqual(commandsOf(finding), [
    "sudo chown -R 1000 /data/wal",
    "find /data/wal/ -type f -perm /077 -exec chmod go= {} +",
  ]);
  assert.equal(
    judgeFiles([{ directory: "/data/wal", files }], 0).level,
    "warning",
    "root may use all of them",
  );
  assert.equal(judgeFiles([{ directory: "/data/wal", files: [files[0]] }], 1000).level, "ok");
});
