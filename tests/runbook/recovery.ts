/**
 * Scenarios of the runbook's parts *Manual operations* and *Backup and recovery*.
 */
import assert from "node:assert/strict";
import type { Operator } from "../support/operator.ts";
import { assertDelivered, leaveUnsentJob } from "../support/unsent_job.ts";
import { assertBytes, namesIn, runQueue, sees, startWorker, strand, submitQuick } from "./situation.ts";

export const RECOVERY: Readonly<Record<string, (operator: Operator) => Promise<void>>> = {
  async "Manual event replay"(operator) {
    const { url } = await operator.startServer();
    const job = await leaveUnsentJob(operator, url, { sent: 5 });
    const words = { JOB: job.jobId };
    const plan = await operator.type(0, words);
    sees(plan.stdout, new RegExp(`17 +${job.jobId}`));
    assert.equal((await operator.type(1, words)).code, 0);
    await assertDelivered(operator, url, job);
    const again = await operator.type(1, words);
    assert.equal(again.code, 0);
    sees(again.stdout, /[Nn]othing to (send|replay)/);
    await assertDelivered(operator, url, job);
  },

  async "Force archive cleanup"(operator) {
    const { url } = await operator.startServer();
    // One that may go, one that the server lacks events of, and one that is young.
    await leaveUnsentJob(operator, url);
    assert.equal((await operator.run(["wal", "replay", "--all"])).code, 0);
    const unsent = await leaveUnsentJob(operator, url, { sent: 4 });
    assert.equal((await operator.run(["wal", "archive", "--all"])).code, 0);
    const young = await submitQuick(operator, url);
    const worker = ["worker", `--server=${url}`, "--once", "--metrics-listen=off", "--retention-days=36500"];
    assert.equal((await operator.run(worker)).code, 0);
    assert.equal(namesIn(`${operator.dataDir}/archive`).length, 3);

    const plan = await operator.type(0);
    sees(plan.stdout, /1 archive older than 7d/);
    assert.equal(namesIn(`${operator.dataDir}/archive`).length, 3);
    assert.equal((await operator.type(1)).code, 0);
    const left = [`${unsent.jobId}.wal.zst`, `${young.jobId}.wal.zst`].sort();
    assert.deepEqual(namesIn(`${operator.dataDir}/archive`), left);
    assert.equal((await operator.run(["wal", "replay", "--all"])).code, 0);
    await assertDelivered(operator, url, unsent);
    await assertBytes(operator, url, young);
  },

  async "Recover disk space"(operator) {
    const { url } = await operator.startServer();
    const jobs = [
      await leaveUnsentJob(operator, url, { outputs: 30, outputBytes: 20_000 }),
      await leaveUnsentJob(operator, url, { outputs: 30, outputBytes: 20_000, sent: 12 }),
    ];
    const before = jobs.reduce((sum, { path }) => sum + Deno.statSync(path).size, 0);
    const archive = await operator.type(0);
    assert.equal(archive.code, 0, archive.stderr);
    assert.deepEqual(namesIn(`${operator.dataDir}/wal`), []);
    const archives = namesIn(`${operator.dataDir}/archive`);
    const after = archives.reduce(
      (sum, name) => sum + Deno.statSync(`${operator.dataDir}/archive/${name}`).size,
      0,
    );
    assert.ok(after < before / 10, `${before} bytes became ${after}`);
    const replay = await operator.type(1);
    assert.equal(replay.code, 0, replay.stderr);
    for (const job of jobs) await assertDelivered(operator, url, job);
  },

  async "Migrate to another disk"(operator) {
    const { url } = await operator.startServer();
    const archived = await submitQuick(operator, url);
    await runQueue(operator, url);
    const place = `${operator.directory}/mnt/ssd/airunner`;
    const idle = startWorker(operator, url, "--queue=another", "--log-level=info");
    await idle.waitFor(/Worker started/);
    const refused = await operator.type(0, { DIR: place });
    assert.equal(refused.code, 1, refused.stdout);
    sees(refused.stderr, /a worker uses .* Stop it/);
    assert.equal(Deno.lstatSync(`${operator.dataDir}/wal`).isSymlink, false);
    await idle.kill("SIGTERM");

    const waiting = await leaveUnsentJob(operator, url);
    const moved = await operator.type(0, { DIR: place });
    assert.equal(moved.code, 0, moved.stderr);
    for (const name of ["wal", "archive"]) {
      assert.equal(Deno.readLinkSync(`${operator.dataDir}/${name}`), `${place}/${name}`);
    }
    sees((await operator.type(1)).stdout, new RegExp(archived.jobId));
    assert.deepEqual(namesIn(`${place}/archive`).includes(`${archived.jobId}.wal.zst`), true);
    // A worker goes on with what waited.
    await runQueue(operator, url);
    await assertBytes(operator, url, archived);
    await assertDelivered(operator, url, waiting);
  },

  async Backup(operator) {
    const job = await strand(operator);
    assert.equal((await operator.type(0)).code, 0);
    await job.worker.kill("SIGKILL");
    Deno.removeSync(operator.dataDir, { recursive: true });

    // The copy was made while the worker was writing.
    Deno.mkdirSync(operator.dataDir, { mode: 0o700 });
    const restored = await operator.paste(`tar -xzf worker-backup.tar.gz -C ${operator.dataDir}`);
    assert.equal(restored.code, 0, restored.stderr);
    await operator.startServer(job.port);
    await runQueue(operator, job.url);
    await assertBytes(operator, job.url, job);
  },

  async "Disaster recovery: worker lost"(operator) {
    const lost = await strand(operator);
    await lost.worker.kill("SIGKILL");
    const { program: server, url } = await operator.startServer(lost.port);
    // Of other jobs the machine had an archive with unsent events, and one of which the server has
    // everything.
    const archived = await leaveUnsentJob(operator, url, { sent: 6 });
    assert.equal((await operator.run(["wal", "archive", archived.jobId])).code, 0);
    const waiting = await leaveUnsentJob(operator, url, { sent: 2 });
    await server.kill("SIGTERM");
    const backup = await operator.paste(`tar -czf worker-backup.tar.gz -C ${operator.dataDir} wal archive`);
    assert.equal(backup.code, 0, backup.stderr);

    // The machine is gone; another one has the backup and nothing else.
    Deno.removeSync(operator.dataDir, { recursive: true });
    Deno.mkdirSync(operator.dataDir, { mode: 0o700 });
    await operator.startServer(lost.port);
    assert.equal((await operator.type(0)).code, 0);
    assert.equal((await operator.type(1)).code, 0);
    const replay = await operator.type(2);
    assert.equal(replay.code, 0, replay.stdout + replay.stderr);
    await assertBytes(operator, url, lost);
    await assertDelivered(operator, url, archived);
    await assertDelivered(operator, url, waiting);
    assert.deepEqual(namesIn(`${operator.dataDir}/wal`), []);
  },
};
