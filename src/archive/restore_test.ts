import assert from "node:assert/strict";
import { FailingFiles } from "../../tests/support/failing_files.ts";
import { systemFiles } from "../platform/system_files.ts";
import { isMissing } from "../platform/files.ts";
import { LogLockedError } from "../wal/errors.ts";
import { Log } from "../wal/log.ts";
import { silentLogger } from "../platform/logging/logger.ts";
import { archiveLog } from "./archiver.ts";
import { restoreArchive, RestoreError } from "./restore.ts";
import { assertSameBytes, buildLog, runZstd, withDirectory } from "../../tests/support/archive_logs.ts";
import { systemHost } from "../platform/system_host.ts";

async function withArchive(
  log: Uint8Array,
  body: (place: { archivePath: string; walDir: string }) => Promise<void>,
): Promise<void> {
  await withDirectory(async (directory) => {
    const walDir = `${directory}/wal`;
    Deno.mkdirSync(walDir);
    Deno.writeFileSync(`${walDir}/job-1.wal`, log);
    const result = await archiveLog({
      files: systemFiles,
      logPath: `${walDir}/job-1.wal`,
      archiveDir: `${directory}/archive`,
      level: 3,
      logger: silentLogger,
    });
    assert.equal(result.outcome, "archived");
    await body({ archivePath: `${directory}/archive/job-1.wal.zst`, walDir });
  });
}

const names = (directory: string) => [...Deno.readDirSync(directory)].map(({ name }) => name).sort();

Deno.test("restoring brings the log back byte for byte, for its owner alone, and keeps the archive", async () => {
  const log = buildLog({ events: 40, acknowledged: 10 });
  await withArchive(log, async ({ archivePath, walDir }) => {
    const result = await restoreArchive({ files: systemFiles, archivePath, walDir, removeArchive: false });
    assert.equal(result.outcome, "restored");
    assertSameBytes(Deno.readFileSync(`${walDir}/job-1.wal`), log);
    assert.equal(Deno.statSync(`${walDir}/job-1.wal`).mode! & 0o777, 0o600);
    assert.ok(Deno.statSync(archivePath).isFile);
    assert.deepEqual(names(walDir), ["job-1.wal"]);
  });
});

Deno.test("restoring twice finds the log of the first time; other content of that name is never replaced", async () => {
  const log = buildLog({ events: 40, acknowledged: 10 });
  await withArchive(log, async ({ archivePath, walDir }) => {
    await restoreArchive({ files: systemFiles, archivePath, walDir, removeArchive: false });
    const again = await restoreArchive({ files: systemFiles, archivePath, walDir, removeArchive: false });
    assert.equal(again.outcome, "already_restored");
    assert.deepEqual(names(walDir), ["job-1.wal"]);

    const other = buildLog({ events: 3 });
    Deno.writeFileSync(`${walDir}/job-1.wal`, other);
    const third = await restoreArchive({ files: systemFiles, archivePath, walDir, removeArchive: true });
    assert.equal(third.outcome === "restored" && third.logPath, `${walDir}/job-1.2.wal`);
    assertSameBytes(Deno.readFileSync(`${walDir}/job-1.wal`), other);
    assertSameBytes(Deno.readFileSync(`${walDir}/job-1.2.wal`), log);
    assert.throws(() => Deno.statSync(archivePath), Deno.errors.NotFound);
  });
});

Deno.test("a log that went on where the archive ends is that archive's log: nothing is restored beside it", async () => {
  const archived = buildLog({ events: 40, acknowledged: 10 });
  await withArchive(archived, async ({ archivePath, walDir }) => {
    await restoreArchive({ files: systemFiles, archivePath, walDir, removeArchive: false });
    const log = await Log.open(`${walDir}/job-1.wal`, systemHost);
    await log.acknowledge(await log.pending({ events: 7, bytes: 1e6 }));
    await log.close();
    const gone = Deno.readFileSync(`${walDir}/job-1.wal`);
    assert.ok(gone.length > archived.length);
    const again = await restoreArchive({ files: systemFiles, archivePath, walDir, removeArchive: true });
    assert.equal(again.outcome === "already_restored" && again.logPath, `${walDir}/job-1.wal`);
    assert.deepEqual(names(walDir), ["job-1.wal"]);
    assertSameBytes(Deno.readFileSync(`${walDir}/job-1.wal`), gone);
    assert.throws(() => Deno.statSync(archivePath), Deno.errors.NotFound);
  });
});

Deno.test("of two that restore and remove one archive, one waits for the other and then finds it gone", async () => {
  const log = buildLog({ events: 40, acknowledged: 10 });
  await withArchive(log, async ({ archivePath, walDir }) => {
    let second: unknown;
    const race = async () => {
      second = await restoreArchive({ files: systemFiles, archivePath, walDir, removeArchive: true }).catch((
        error,
      ) => error);
    };
    const files = new FailingFiles(systemFiles, { before: { line: "link", run: race } });
    const first = await restoreArchive({ archivePath, walDir, removeArchive: true, files });
    assert.equal(first.outcome, "restored");
    assert.ok(second instanceof LogLockedError && second.path === archivePath);
    assert.deepEqual(names(walDir), ["job-1.wal"]);
    const late = restoreArchive({ files: systemFiles, archivePath, walDir, removeArchive: true });
    await assert.rejects(late, (error) => error instanceof RestoreError && isMissing(error.cause));
    assert.deepEqual(names(walDir), ["job-1.wal"]);
  });
});

Deno.test("an archive made by the zstd program under another name is restored by the job id in its records", async () => {
  await withDirectory(async (directory) => {
    const log = buildLog({ jobId: "job-7", events: 9, acknowledged: 2 });
    const { stdout } = await runZstd(["-q", "-19", "-c"], log);
    const archivePath = `${directory}/backup of monday.zst`;
    Deno.writeFileSync(archivePath, stdout);
    const result = await restoreArchive({
      files: systemFiles,
      archivePath,
      walDir: `${directory}/wal`,
      removeArchive: false,
    });
    assert.equal(result.outcome === "restored" && result.logPath, `${directory}/wal/job-7.wal`);
    assertSameBytes(Deno.readFileSync(`${directory}/wal/job-7.wal`), log);

    const nameless = buildLog({ execution: false });
    Deno.writeFileSync(archivePath, (await runZstd(["-q", "-c"], nameless)).stdout);
    await assert.rejects(
      restoreArchive({ files: systemFiles, archivePath, walDir: `${directory}/wal`, removeArchive: true }),
      (error) => error instanceof RestoreError && /name it JOB-ID/.test(error.message),
    );
    assert.ok(Deno.statSync(archivePath).isFile);
  });
});

Deno.test("a damaged archive, and a whole one of a damaged log, are not restored and not removed", async () => {
  await withArchive(buildLog({ events: 40, acknowledged: 10 }), async ({ archivePath, walDir }) => {
    const bytes = Deno.readFileSync(archivePath);
    bytes[bytes.length - 60] ^= 4;
    Deno.writeFileSync(archivePath, bytes);
    const result = await restoreArchive({ files: systemFiles, archivePath, walDir, removeArchive: true });
    assert.equal(result.outcome, "damaged");

    const torn = buildLog({ events: 4 }).subarray(0, 700);
    Deno.writeFileSync(archivePath, (await runZstd(["-q", "-c"], torn)).stdout);
    const second = await restoreArchive({ files: systemFiles, archivePath, walDir, removeArchive: true });
    assert.equal(second.outcome === "damaged" && second.damage?.problem, "torn_record");
    assert.deepEqual(names(walDir), []);
    assert.ok(Deno.statSync(archivePath).isFile);
  });
});
