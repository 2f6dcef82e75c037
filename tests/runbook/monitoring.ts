/**
 * Scenarios of the runbook's part *Monitoring*, and of the question with which most nights begin.
 */
import assert from "node:assert/strict";
import type { Operator } from "../support/operator.ts";
import { leaveUnsentJob } from "../support/unsent_job.ts";
import { assertBytes, runQueue, sees, startWorker, submitQuick } from "./situation.ts";

export const MONITORING: Readonly<Record<string, (operator: Operator) => Promise<void>>> = {
  async "Something is wrong, and nobody knows what"(operator) {
    const { program, url, port } = await operator.startServer();
    await leaveUnsentJob(operator, url);
    Deno.chmodSync(`${operator.dataDir}/wal`, 0o500);
    await program.kill("SIGKILL");

    const { code, stdout } = await operator.type(0, { URL: url });
    assert.equal(code, 3);
    sees(stdout, /PROBLEM +Log directory .*its owner may not use it \(mode 0500\)/);
    sees(stdout, /PROBLEM +Server .*does not answer: Connection refused/);
    sees(stdout, /PROBLEM +Unsent logs .*1 log with 22 unsent events that nobody has open/);

    // What the screen says is what cures it.
    const cures = [...stdout.matchAll(/^ {4}(\S.*)$/gm)].map(([, command]) => command);
    const mend = cures.find((command) => command.startsWith("chmod "));
    assert.equal(mend, `chmod 700 ${operator.dataDir}/wal`);
    assert.equal((await operator.paste(mend)).code, 0);
    await operator.startServer(port);
    const replay = cures.find((command) => command.startsWith("airunner wal replay"));
    assert.equal(replay, `airunner wal replay --all --server=${url}`);
    assert.equal((await operator.paste(replay)).code, 0);
    const healthy = await operator.type(0, { URL: url });
    assert.doesNotMatch(healthy.stdout, /PROBLEM/);
    assert.equal(healthy.code, 0);
  },

  async "Sizes, pending events, compression ratio"(operator) {
    const { url } = await operator.startServer();
    const archived = await submitQuick(operator, url);
    await runQueue(operator, url);
    const waiting = await leaveUnsentJob(operator, url, { outputs: 8 });

    const stats = await operator.type(0);
    assert.equal(stats.code, 0);
    sees(stats.stdout, /Unsent +10 events/);
    sees(stats.stdout, /Archives +1 in .*ratio [\d.]+% of /);
    const list = await operator.type(1);
    assert.equal(list.code, 0);
    sees(list.stdout, new RegExp(`${waiting.jobId} +orphaned +10 +10 +0`));
    sees(list.stdout, new RegExp(`${archived.jobId} +archived +3 +0 +0`));
    await assertBytes(operator, url, archived);
  },

  async "Key metrics"(operator) {
    const { url } = await operator.startServer();
    const job = await submitQuick(operator, url);
    const worker = startWorker(operator, url);
    await worker.waitFor(/Job completed/);
    await worker.waitFor(/Serving metrics/);
    const { code, stdout } = await operator.type(0);
    assert.equal(code, 0);
    sees(stdout, /^wal_appends_total [1-9]/m);
    sees(stdout, /^wal_pending_events 0$/m);
    await assertBytes(operator, url, job);
  },
};
