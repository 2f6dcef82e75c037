import assert from "node:assert/strict";
import { parseStat, systemProcesses } from "./system_processes.ts";

Deno.test("a process is told from its line, whatever it is called", () => {
  assert.deepEqual(parseStat("41 (a) R 1 (b) S 7 40 39 0 -1"), { pid: 41, groupId: 40, sessionId: 39 });
  assert.equal(parseStat("41 (sh) Z 7 40 39 0 -1"), undefined);
});

Deno.test("a session is found by its number, also when its first process is gone", async () => {
  const child = new Deno.Command("sh", {
    args: ["-c", "sleep 1000 & echo $!"],
    env: { MARK: "it's=me" },
    detached: true,
    stdout: "piped",
  }).spawn();
  // The grandchild holds the pipe, so only its first line is read.
  const reader = child.stdout.getReader();
  const pid = Number(new TextDecoder().decode((await reader.read()).value));
  await child.status;
  try {
    assert.deepEqual(systemProcesses.readSession(child.pid), [{
      pid,
      groupId: child.pid,
      sessionId: child.pid,
    }]);
    assert.ok(systemProcesses.hasVariable(pid, "MARK", "it's=me"));
    assert.ok(!systemProcesses.hasVariable(pid, "MARK", "it's"));
    assert.ok(!systemProcesses.hasVariable(pid, "MAR", "it's=me"));
  } finally {
    Deno.kill(pid, "SIGKILL");
    await reader.cancel();
  }
  assert.deepEqual(systemProcesses.readSession(0x7fffffff), []);
  assert.ok(!systemProcesses.hasVariable(0x7fffffff, "MARK", "it's=me"));
});
