import assert from "node:assert/strict";
import { ArchiveError } from "../archive/archive_errors.ts";
import { LogNotFoundError } from "../survey/errors.ts";
import { DirectoryMovingError, LogQuarantinedError, LogReadError } from "../wal/errors.ts";
import { ExitCode } from "../screens/exit_code.ts";
import { reportError } from "./report.ts";

const COUNTS = { records: 2, goodBytes: 100, pending: 1, sent: 0, failed: 0, salvageable: 3 };
const DAMAGE = { problem: "crc_mismatch", offset: 100 } as const;

Deno.test("what to type about an error stands in a line of its own, and its paths can be pasted", () => {
  const cases: [error: Error, next: string][] = [
    [
      new LogQuarantinedError("/a b.wal", "/a b.wal.corrupt", DAMAGE, COUNTS),
      "wal recover '/a b.wal.corrupt'",
    ],
    [new LogReadError("/it's.wal", 7, "it is gone"), `wal verify '/it'\\''s.wal'`],
    [new LogNotFoundError("job-1", ["/wal"], "/wal/job-1.wal.corrupt"), "wal recover /wal/job-1.wal.corrupt"],
  ];
  for (const [error, command] of cases) {
    const { exitCode, lines } = reportError(error, false);
    assert.equal(exitCode, ExitCode.FAILED);
    assert.equal(lines.length, 2, lines.join("\n"));
    assert.equal(lines[0], error.message);
    assert.ok(lines[1].endsWith(`Next: airunner ${command}`), lines[1]);
    assert.ok(!error.message.includes("airunner"), error.message);
  }
});

Deno.test("a full archive's disk and a directory that moves are told with what helps", () => {
  const full = new ArchiveError("/wal/a.wal", true, { cause: new Error("no space left on device") });
  assert.match(reportError(full, false).lines.join("\n"), /Nothing is lost.*\n.*airunner wal cleanup/);
  const slow = new ArchiveError("/wal/a.wal", false, { cause: new Error("input/output error") });
  assert.equal(reportError(slow, false).lines.length, 1);
  const moving = new Error("wrapped", { cause: new DirectoryMovingError("/wal", 5) });
  assert.match(reportError(moving, false).lines.join("\n"), /again when `airunner wal migrate` has ended/);
});
