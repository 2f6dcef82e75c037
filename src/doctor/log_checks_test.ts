import { DAY_MS } from "../platform/time_units.ts";
import assert from "node:assert/strict";
import { judgeDamage, judgeFailed, judgeUnsent } from "./log_checks.ts";
import {
  commandsOf,
  log,
  NO_ARCHIVES,
  NO_LOGS,
  NOW_MS,
  testProbe,
} from "../../tests/support/healthy_probe.ts";

const probe = testProbe();

Deno.test("unsent events that nobody has open are a problem without a worker and a warning with one", () => {
  const logs = {
    ...NO_LOGS,
    logs: [
      log({ pending: 5, oldestPendingMs: NOW_MS - DAY_MS }),
      log({ pending: 2, oldestPendingMs: NOW_MS }),
    ],
  };
  const alone = judgeUnsent(logs, NO_ARCHIVES, false, probe);
  assert.equal(alone.level, "problem");
  assert.match(alone.found, /^2 logs with 7 unsent events that nobody has open, the oldest from 24 h ago/);
  assert.match(alone.found, /They are safe/);
  assert.deepEqual(commandsOf(alone), ["airunner worker", "airunner wal replay --all"]);
  assert.equal(alone.measured.oldest_unsent_ms, NOW_MS - DAY_MS);
  assert.equal(judgeUnsent(logs, NO_ARCHIVES, true, probe).level, "warning");
});

Deno.test("unsent events in a log that is in use are a worker's business", () => {
  const finding = judgeUnsent(
    { ...NO_LOGS, logs: [log({ pending: 5, isLocked: true })] },
    NO_ARCHIVES,
    true,
    probe,
  );
  assert.equal(finding.level, "ok");
});

Deno.test("unsent events in archives are told, because no worker looks there", () => {
  const finding = judgeUnsent(NO_LOGS, { ...NO_ARCHIVES, files: 3, unsent: 1, pending: 4 }, true, probe);
  assert.equal(finding.level, "warning");
  assert.deepEqual(commandsOf(finding), ["airunner wal replay --all"]);
});

Deno.test("failed events are told wherever they are", () => {
  assert.equal(judgeFailed(NO_LOGS, NO_ARCHIVES, probe).level, "ok");
  const finding = judgeFailed(
    { ...NO_LOGS, logs: [log({ failed: 1 })] },
    { ...NO_ARCHIVES, failed: 2 },
    probe,
  );
  assert.equal(finding.level, "warning");
  assert.match(finding.found, /^3 events that the server refused/);
  assert.ok(commandsOf(finding).includes("airunner wal replay --all --failed"));
});

Deno.test("damage names the file, the offset and the command that saves what can be saved", () => {
  const damage = { problem: "crc_mismatch", offset: 12_345, isTornTail: false, recordsAfter: 0 } as const;
  const finding = judgeDamage({
    ...NO_LOGS,
    logs: [log({ damage })],
    quarantined: ["/data/wal/b.wal.corrupt"],
  }, probe);
  assert.equal(finding.level, "problem");
  assert.match(finding.found, /1 damaged log set aside; job-1\.wal: CRC64 mismatch at byte 12,345/);
  assert.deepEqual(commandsOf(finding), [
    "airunner wal recover /data/wal/b.wal.corrupt",
    "airunner wal recover /data/wal/job-1.wal",
    "airunner wal verify --all",
  ]);
});

Deno.test("a torn end is what a crash leaves behind, and no problem", () => {
  const damage = { problem: "torn_record", offset: 100, isTornTail: true, recordsAfter: 0 } as const;
  const left = judgeDamage({ ...NO_LOGS, logs: [log({ damage })] }, probe);
  assert.equal(left.level, "ok");
  assert.match(left.found, /1 log with a torn end/);
  const written = judgeDamage({ ...NO_LOGS, logs: [log({ damage, isLocked: true })] }, probe);
  assert.match(written.found, /all whole/);
});

Deno.test("logs that were not read because time was up are not called whole", () => {
  const finding = judgeDamage({ ...NO_LOGS, logs: [log()], unread: 9 }, probe);
  assert.equal(finding.level, "warning");
  assert.match(finding.found, /^1 of 10 logs read, then the time was up/);
  assert.deepEqual(commandsOf(finding), ["airunner wal verify --all"]);
  assert.match(judgeUnsent({ ...NO_LOGS, unread: 9 }, NO_ARCHIVES, true, probe).found, /9 logs not read/);
});

Deno.test("a log that cannot be read is a problem, not a whole log", () => {
  const unreadable = [{ path: "/data/wal/x.wal", why: "permission denied" }];
  const finding = judgeDamage({ ...NO_LOGS, unreadable }, probe);
  assert.equal(finding.level, "problem");
  assert.match(finding.found, /x\.wal cannot be read: permission denied/);
});
