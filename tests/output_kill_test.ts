/**
 * What a worker that is killed loses of a job's output: nothing that was in the log, and output is in the log
 * as soon as it was printed (A0 of the durability contract). That no time has to pass for it is proven with a
 * clock that stands still, in `src/job/execute_job_test.ts`.
 */
import assert from "node:assert/strict";
import { decodeEvent, outputOf } from "../src/events/event.ts";
import { systemFiles } from "../src/platform/system_files.ts";
import { readLogFile, scanLog } from "../src/wal/reader.ts";
import { Sandbox } from "./support/airunner.ts";
import { within } from "./support/within.ts";

/** The output that is in the log now, as whoever takes it up would read it. */
async function outputIn(path: string): Promise<string> {
  const decoder = new TextDecoder();
  let output = "";
  const { damage } = await scanLog(readLogFile(systemFiles, path), ({ payload }, kind) => {
    if (kind !== "event") return;
    for (const { bytes } of outputOf(decodeEvent(payload)!)) output += decoder.decode(bytes);
  });
  assert.ok(damage === undefined || damage.problem === "torn_record", damage?.problem);
  return output;
}

Deno.test("a worker killed while its job prints has in its log all that a reader had seen of it", async () => {
  await using sandbox = new Sandbox();
  const { url } = await sandbox.startServer();
  const worker = sandbox.start(["worker", `--server=${url}`]);
  await worker.waitFor(/Worker started/);
  const script = 'i=1; while :; do echo "line $i" >&2; i=$((i + 1)); sleep 0.02; done';
  const reader = sandbox.start(["submit", "--follow", `--server=${url}`, "--", "sh", "-c", script]);
  await within(reader.waitFor(/^line 20$/m), () => worker.stderr + reader.stderr);
  await worker.kill("SIGKILL");
  const seen = /^(line \d+\n)+/m.exec(reader.stderr)![0];
  const [, jobId] = /job_id=(\S+)/.exec(worker.stderr)!;

  const kept = await outputIn(`${sandbox.dataDir}/wal/${jobId}.wal`);
  assert.ok(kept.startsWith(seen));
  const lines = kept.split("\n").slice(0, -1);
  assert.deepEqual(lines, lines.map((_, index) => `line ${index + 1}`));

  // The next worker delivers what the killed one had not, and the job is run again from its beginning.
  const next = sandbox.start(["worker", `--server=${url}`]);
  await next.waitFor(/Log archived/);
  const shown = await sandbox.run(["wal", "inspect", `${sandbox.dataDir}/archive/${jobId}.wal.zst`]);
  assert.equal(shown.code, 0, shown.stderr);
});
