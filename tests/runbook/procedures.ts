/**
 * Scenarios of the runbook's part *Troubleshooting procedures*, and of tuning.
 */
import assert from "node:assert/strict";
import type { Operator } from "../support/operator.ts";
import { submitScript } from "../support/submit.ts";
import { assertBytes, namesIn, runQueue, sees, submitQuick } from "./situation.ts";

export const PROCEDURES: Readonly<Record<string, (operator: Operator) => Promise<void>>> = {
  async "Debug logging"(operator) {
    const { url } = await operator.startServer();
    const job = await submitQuick(operator, url);
    const { code, stderr } = await operator.type(0, { URL: url });
    assert.equal(code, 0);
    assert.ok(stderr.includes(`DBG WAL created job_id=${job.jobId}`), stderr);
    await assertBytes(operator, url, job);
  },

  async "Inspect a log"(operator) {
    const { url } = await operator.startServer();
    const job = await submitQuick(operator, url);
    const worker = [
      "worker",
      `--server=${url}`,
      "--once",
      "--metrics-listen=off",
      "--archive-on-complete=false",
    ];
    assert.equal((await operator.run(worker)).code, 0);
    const path = `${operator.dataDir}/wal/${job.jobId}.wal`;
    const before = Deno.readFileSync(path);
    const words = { JOB: job.jobId };
    const summary = await operator.type(0, words);
    sees(summary.stdout, /Sent +3\n/);
    const records = await operator.type(1, words);
    sees(records.stdout, /PROCESS_START[^]*OUTPUT_BATCH[^]*PROCESS_END/);
    const output = await operator.type(2, words);
    sees(output.stdout, /compiling[^]*linking[^]*all tests passed/);
    assert.doesNotMatch(summary.stdout + records.stdout + output.stdout, /task_token/);
    assert.deepEqual(Deno.readFileSync(path), before, "looking changed nothing");
    await assertBytes(operator, url, job);
  },

  async "Inspect an archive"(operator) {
    const { url } = await operator.startServer();
    const job = await submitQuick(operator, url);
    await runQueue(operator, url);
    const words = { JOB: job.jobId };
    const summary = await operator.type(0, words);
    assert.equal(summary.code, 0, summary.stderr);
    const listed = await operator.type(1, words);
    assert.equal(listed.code, 0, listed.stderr);
    const decompressed = await operator.type(2, words);
    assert.equal(decompressed.code, 0, decompressed.stderr);
    sees((await operator.type(3, words)).stdout, /whole: /);
    const dump = await operator.paste(`airunner wal dump --raw ${operator.directory}/${job.jobId}.wal`);
    assert.equal(dump.stdout, job.output);
  },

  async "Network failure simulation"(operator) {
    const first = await operator.startServer();
    const go = `${operator.directory}/go`;
    const script = `echo before; while [ ! -e ${go} ]; do sleep 0.05; done; echo after; exit 4`;
    const jobId = await submitScript(operator, first.url, script);
    const worker = operator.startTyping(0, { URL: first.url });
    await worker.waitFor(/Successfully sent records/);
    await first.program.kill("SIGKILL");
    Deno.writeTextFileSync(go, "");
    await worker.waitFor(/Failed to send events - retrying/);
    const failedAt = worker.stderr.length;
    await operator.startServer(first.port);
    await worker.waitFor(/Successfully sent records/, failedAt);
    assert.equal((await worker.end()).code, 0);
    await assertBytes(operator, first.url, { jobId, output: "before\nafter\n", exitCode: 4 });
  },

  async "Tune sync, retries, compression"(operator) {
    assert.equal((await operator.type(0)).code, 0);
    const path = `${operator.dataDir}/config.yaml`;
    const written = Deno.readTextFileSync(path);
    for (
      const key of ["RetryBackoff", "InitialInterval", "CompressionLevel", "Sync", "RetentionDays", "WALDir"]
    ) {
      assert.ok(written.includes(key), `${key} is explained`);
    }
    Deno.writeTextFileSync(
      path,
      "RetryBackoff:\n  InitialInterval: 5s\n  MaxInterval: 120s\nCompresionLevel: 1\n",
    );
    const wrong = await operator.type(1);
    assert.equal(wrong.code, 78);
    // The nearest known key is named.
    sees(wrong.stdout + wrong.stderr, /CompressionLevel/);
    Deno.writeTextFileSync(
      path,
      "RetryBackoff:\n  InitialInterval: 5s\n  MaxInterval: 120s\nCompressionLevel: 1\n",
    );
    assert.equal((await operator.type(1)).code, 0);
    const shown = await operator.type(2);
    sees(shown.stdout, /InitialInterval +file, line 2 +5s/);

    const { url } = await operator.startServer();
    const job = await submitQuick(operator, url);
    await runQueue(operator, url);
    await assertBytes(operator, url, job);
    assert.deepEqual(namesIn(`${operator.dataDir}/archive`), [`${job.jobId}.wal.zst`]);
  },
};
