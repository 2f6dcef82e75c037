import { DAY_MS } from "../platform/time_units.ts";
import assert from "node:assert/strict";
import { judgeConfig } from "./config_checks.ts";
import { commandLine } from "../cli/options/repeated_options.ts";
import {
  commandsOf,
  file,
  log,
  NO_ARCHIVES,
  NO_LOGS,
  NOW_MS,
  testProbe,
} from "../../tests/support/healthy_probe.ts";
import { judgeJobUser, judgeLeftovers, judgeRetention, judgeWorker } from "./worker_checks.ts";

const probe = testProbe();
const ADDRESS = "127.0.0.1:9464";
const IN_USE = { ...NO_LOGS, logs: [log({ isLocked: true })] };

Deno.test("a worker is known by what it answers, or by the logs that it has open", () => {
  const judge = (facts: Partial<Parameters<typeof judgeWorker>[0]>) =>
    judgeWorker({ answer: { kind: "none" }, logs: NO_LOGS, hasRun: true, address: ADDRESS, ...facts }, probe);
  assert.equal(judge({ answer: { kind: "ready" } }).level, "ok");
  assert.equal(judge({ logs: IN_USE, address: undefined }).level, "ok");
  assert.equal(judge({ hasRun: false }).level, "ok");
  assert.equal(judge({}).level, "warning");
  assert.deepEqual(commandsOf(judge({})), ["airunner worker"]);
  assert.match(judge({ address: undefined }).found, /metrics are off/);
  assert.equal(judge({ answer: { kind: "stranger", status: 404 } }).level, "warning");
  const stuck = judge({ answer: { kind: "not_ready", reasons: ["appends fail: no space left on device"] } });
  assert.equal(stuck.level, "problem");
  assert.match(stuck.found, /does not deliver: appends fail: no space left on device/);
});

Deno.test("a job user that there is not keeps a worker from starting; none at all is only said", () => {
  const unset = judgeJobUser(undefined, probe);
  assert.equal(unset.level, "ok");
  assert.match(unset.found, /as the worker's own user/);
  assert.equal(judgeJobUser("ci", probe).level, "ok");
  const unknown = judgeJobUser("ic; reboot", probe);
  assert.equal(unknown.level, "problem");
  assert.deepEqual(commandsOf(unknown), ["useradd --system --create-home 'ic; reboot'"]);
});

Deno.test("retention is late when archives that could go are past their time", () => {
  const archives = { ...NO_ARCHIVES, files: 4, oldestMs: NOW_MS - 40 * DAY_MS };
  const late = judgeRetention({ ...archives, overdue: 2 }, 30, probe);
  assert.equal(late.level, "warning");
  assert.deepEqual(commandsOf(late), ["airunner wal cleanup --older-than=30d", "airunner worker"]);
  assert.deepEqual(late.measured, { archives: 4, overdue: 2, retention_days: 30, oldest_days: 40 });
  const kept = judgeRetention({ ...archives, unsent: 4 }, 30, probe);
  assert.equal(kept.level, "ok", "what is unsent stays, and that is right");
  assert.match(kept.found, /4 stay whatever their age/);
});

Deno.test("temporary files count as left over unless somebody is at work on them", () => {
  const uuid = "01234567-89ab-cdef-0123-456789abcdef";
  const names = [`.job.wal.zst.tmp-${uuid}`, `.job.wal.tmp-${uuid}`, `.airunner-doctor-${uuid}.tmp`];
  const finding = judgeLeftovers([
    ...names.map((name) => file(name)),
    file("job.wal"),
    file("job.wal.cut-120"),
  ]);
  assert.equal(finding.level, "warning");
  assert.deepEqual(finding.measured, { temporary_files: 3, cut_tails: 1 });
  assert.match(commandsOf(finding)[0], /^rm \/data\/wal\/\.job\.wal\.zst\.tmp-/);
  assert.equal(judgeLeftovers(names.map((name) => file(name, { isLocked: true }))).level, "ok");
});

Deno.test("the configuration's mistakes are a problem, and Sync: interval a warning", () => {
  assert.equal(judgeConfig({ path: "/etc/a.yaml", mistakes: [] }, { sync: "always" }, probe).level, "ok");
  const wrong = judgeConfig({ path: "/etc/a.yaml", mistakes: ["line 3: no"] }, { sync: "always" }, probe);
  assert.equal(wrong.level, "problem");
  assert.deepEqual(commandsOf(wrong), ["airunner config validate /etc/a.yaml"]);
  assert.equal(judgeConfig({ path: undefined, mistakes: [] }, { sync: "interval" }, probe).level, "warning");
});

Deno.test("a suggested command names the same directories and the same server as this run", () => {
  const args = ["doctor", "--data-dir", "/mnt/a b", "--server=http://ci", "--json"];
  assert.equal(commandLine("wal ls", args, true), "airunner wal ls --data-dir='/mnt/a b'");
  assert.equal(
    commandLine("wal replay --all", args, true),
    "airunner wal replay --all --data-dir='/mnt/a b' --server=http://ci",
  );
  assert.equal(commandLine("worker", ["doctor"], false), "airunner worker --server=URL");
  assert.equal(commandLine("worker", ["doctor"], true), "airunner worker", "the environment has it");
  assert.equal(commandLine("help disk-full", args, true), "airunner help disk-full");
});
