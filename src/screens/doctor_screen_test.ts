import assert from "node:assert/strict";
import { CHECKS } from "../doctor/checks.ts";
import { runChecks } from "../doctor/finding.ts";
import { DISK, log, NO_LOGS, SETTINGS, testProbe } from "../../tests/support/healthy_probe.ts";
import { assertScreen } from "../../tests/support/data_directory.ts";
import { renderDoctor, summary } from "./doctor_screen.ts";
import { colorStyle, plainStyle } from "../platform/text.ts";

const HEALTHY = testProbe();
const SICK = testProbe({
  fileSystems: () => Promise.resolve([{ ...DISK, kind: "nfs", freeBytes: 100e6 }]),
  askServer: () => Promise.resolve({ kind: "none", why: "Connection refused" }),
  askWorker: () => Promise.resolve({ kind: "none" }),
  logs: () =>
    Promise.resolve({
      ...NO_LOGS,
      logs: [log({ pending: 12 })],
      quarantined: ["/data/wal/job-2.wal.corrupt"],
    }),
});
const WITHOUT_SERVER = testProbe({ settings: { ...SETTINGS, server: undefined } });

Deno.test("a healthy machine has a screen without a command to type", async () => {
  assertScreen("doctor_healthy.txt", renderDoctor(await runChecks(CHECKS, HEALTHY), plainStyle));
});

Deno.test("what is not well stands out, and the commands that cure it stand below", async () => {
  assertScreen("doctor_sick.txt", renderDoctor(await runChecks(CHECKS, SICK), plainStyle));
  assertScreen("doctor_sick_color.txt", renderDoctor(await runChecks(CHECKS, SICK), colorStyle));
});

Deno.test("what was not looked at is not called well", async () => {
  assertScreen(
    "doctor_without_server.txt",
    renderDoctor(await runChecks(CHECKS, WITHOUT_SERVER), plainStyle),
  );
  assert.equal(
    summary(await runChecks(CHECKS, WITHOUT_SERVER), plainStyle),
    "All is well; 4 checks not made",
  );
});
