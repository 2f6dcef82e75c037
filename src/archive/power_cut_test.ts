/**
 * Archiving, restoring and retention, ended at each of their operations on a disk in memory: whatever a kill
 * or a power cut leaves, nothing is lost, and the next run finishes.
 */
import assert from "node:assert/strict";
import { assertSameBytes, buildLog, collect } from "../../tests/support/archive_logs.ts";
import { crashEverywhere } from "../../tests/support/crash_everywhere.ts";
import { MemoryFiles } from "../../tests/support/memory_files.ts";
import type { Files } from "../platform/files.ts";
import { silentLogger } from "../platform/logging/logger.ts";
import { encodeRecord, Status } from "../wal/format.ts";
import { archiveLog } from "./archiver.ts";
import { readLogBytes } from "./log_bytes.ts";
import { restoreArchive } from "./restore.ts";
import { applyRetention, planRetention, readRetentionEntries } from "./retention.ts";
import { removeStaleFiles, STALE_AFTER_MS } from "./stale_files.ts";

const LOG = "/wal/job-1.wal";
const ARCHIVE = "/archive/job-1.wal.zst";
const NEXT_ARCHIVE = "/archive/job-1.2.wal.zst";

/** More than a page, and unsent at its end, so that its archive has every byte of it. */
const UNSENT = buildLog({ events: 9, acknowledged: 4, payloadBytes: 2000 });

const archive = (files: Files) =>
  archiveLog({ files, logPath: LOG, archiveDir: "/archive", level: 3, logger: silentLogger });
const restore = (files: Files) =>
  restoreArchive({ files, archivePath: ARCHIVE, walDir: "/wal", removeArchive: true });

function diskWith(files: Record<string, Uint8Array>): MemoryFiles {
  const disk = new MemoryFiles();
  for (const [path, content] of Object.entries(files)) disk.put(path, content);
  return disk;
}

async function archiveOf(log: Uint8Array): Promise<Uint8Array> {
  const disk = diskWith({ [LOG]: log });
  await archive(disk);
  return disk.content(ARCHIVE);
}

/**
 * A disk, and what a power cut leaves of it afterwards: what a run relied on has to be safe by then, and not
 * only written.
 */
function* thenCut(disk: MemoryFiles): Generator<MemoryFiles> {
  yield disk;
  yield disk.crash(() => false);
}

/** What is left in the making is of no use, and gone a minute later. */
async function clearAway(files: MemoryFiles): Promise<void> {
  const nowMs = (await files.stat("/")).mtime!.getTime() + STALE_AFTER_MS;
  for (const directory of ["/wal", "/archive"]) {
    await removeStaleFiles(directory, { files, logger: silentLogger, nowMs });
  }
}

async function assertArchived(files: MemoryFiles, path: string, log: Uint8Array, how: string): Promise<void> {
  assertSameBytes(await collect(await readLogBytes(files, path)), log, how);
}

Deno.test("wherever archiving ends, the log or its archive is whole, and the next run finishes", async () => {
  const sent = buildLog({ events: 9, payloadBytes: 2000 });
  for (const log of [UNSENT, sent]) {
    const wanted = await collect(await readLogBytes(diskWith({ [ARCHIVE]: await archiveOf(log) }), ARCHIVE));
    const operations = await crashEverywhere(() => diskWith({ [LOG]: log }), archive, async (found, how) => {
      for (const last of thenCut(found)) {
        if (last.paths().includes(LOG)) {
          assertSameBytes(last.content(LOG), log, how);
          await archive(last);
        }
        await clearAway(last);
        assert.deepEqual(last.paths(), [ARCHIVE], how);
        await assertArchived(last, ARCHIVE, wanted, how);
      }
    });
    assert.ok(operations >= 20, `${operations} operations`);
  }
});

Deno.test("wherever archiving ends, an earlier state of the log goes only after the log has its archive", async () => {
  const acknowledgement = encodeRecord({
    sequence: 6n,
    status: Status.SENT,
    timestampMs: 1n,
    payload: new Uint8Array(),
  });
  const grown = new Uint8Array([...UNSENT, ...acknowledgement]);
  const earlier = await archiveOf(UNSENT);
  const makeDisk = () => diskWith({ [LOG]: grown, [ARCHIVE]: earlier });
  await crashEverywhere(makeDisk, archive, async (found, how) => {
    for (const last of thenCut(found)) {
      if (last.paths().includes(LOG)) {
        assertSameBytes(last.content(LOG), grown, how);
        if (!last.paths().includes(ARCHIVE)) assert.ok(last.paths().includes(NEXT_ARCHIVE), how);
        await archive(last);
      }
      await clearAway(last);
      assert.deepEqual(last.paths(), [NEXT_ARCHIVE], how);
      await assertArchived(last, NEXT_ARCHIVE, grown, how);
    }
  });
});

Deno.test("wherever restoring ends, the archive or the log is whole, and the next run finishes", async () => {
  const archived = await archiveOf(UNSENT);
  const operations = await crashEverywhere(
    () => diskWith({ [ARCHIVE]: archived }),
    restore,
    async (found, how) => {
      for (const last of thenCut(found)) {
        if (last.paths().includes(ARCHIVE)) {
          assertSameBytes(last.content(ARCHIVE), archived, how);
          await restore(last);
        }
        await clearAway(last);
        assert.deepEqual(last.paths(), [LOG], how);
        assertSameBytes(last.content(LOG), UNSENT, how);
      }
    },
  );
  assert.ok(operations > 30, `${operations} operations`);
});

Deno.test("wherever retention ends, what the server lacks is there, and the next run removes the rest", async () => {
  const [sent, unsent] = [await archiveOf(buildLog()), await archiveOf(UNSENT)];
  const policy = { olderThanMs: 0 };
  const nowMs = 1e13;
  const clean = async (files: Files) => {
    const entries = await Array.fromAsync(readRetentionEntries(files, "/archive", policy, nowMs));
    await applyRetention(planRetention(entries, policy, nowMs), { files, logger: silentLogger });
  };
  const makeDisk = () =>
    diskWith({
      "/archive/a.wal.zst": sent,
      "/archive/b.wal.zst": unsent,
      "/archive/c.wal.zst": sent,
      "/archive/d.wal.zst": unsent.subarray(0, -9),
    });
  await crashEverywhere(makeDisk, clean, async (found, how) => {
    assertSameBytes(found.content("/archive/b.wal.zst"), unsent, how);
    assertSameBytes(found.content("/archive/d.wal.zst"), unsent.subarray(0, -9), how);
    await clean(found);
    assert.deepEqual(found.paths(), ["/archive/b.wal.zst", "/archive/d.wal.zst"], how);
  });
});
