/**
 * A backup becomes a server's database again: checked, copied byte for byte, and never in place of another.
 */
import {
  type Files,
  isMissing,
  type LockedFile,
  type ReadableFile,
  writeAll,
} from "../../../../platform/files.ts";
import { StoreError } from "../../store_error.ts";
import { lockDatabase } from "../database_lock.ts";
import { checkCopy, type CopyOptions } from "./backup.ts";
import { publishDatabase, refuseWithoutRoom } from "./target_file.ts";
import type { Verification } from "./verify.ts";

const BLOCK_BYTES = 1024 * 1024;

/**
 * @throws StoreError when the backup is not whole, a server runs on `target`, or there is something under
 * that
 *   name; nothing was changed then
 */
export async function restore(
  backup: string,
  target: string,
  options: Omit<CopyOptions, "rateBytes">,
): Promise<Verification> {
  const { files, clock } = options.host;
  await refuseJournals(
    files,
    backup,
    (path) =>
      `Cannot restore ${backup}: ${path} lies beside it, so that the file alone is not the whole database. ` +
      `Make a backup of it and restore that: airunner server backup FILE --data=${backup}`,
  );
  const lock = await lockDatabase(files, clock, target);
  try {
    // SQLite would play it into the database that is put in front of it.
    await refuseJournals(
      files,
      target,
      (path) =>
        `Cannot restore to ${target}: ${path} belongs to another database of that name. ` +
        "Nothing was changed. Take it away, or name another file.",
    );
    const { size } = await files.stat(backup);
    await refuseWithoutRoom(files, target, size);
    const verification = await checkCopy(backup, backup, options);
    using source = await files.openForReading(backup);
    await publishDatabase(files, target, {
      write: (file) => copyBytes(source, file, options),
      check: (file) => compareBytes(source, file, target),
    });
    return verification;
  } finally {
    await lock.release();
  }
}

async function refuseJournals(
  files: Files,
  path: string,
  message: (journal: string) => string,
): Promise<void> {
  for (const journal of [`${path}-wal`, `${path}-journal`]) {
    try {
      if ((await files.stat(journal)).size === 0) continue;
    } catch (error) {
      if (isMissing(error)) continue;
      throw error;
    }
    throw new StoreError(message(journal), path);
  }
}

async function copyBytes(
  source: ReadableFile,
  target: LockedFile,
  { signal, onProgress }: Omit<CopyOptions, "rateBytes">,
): Promise<void> {
  const { size } = await source.stat();
  const block = new Uint8Array(BLOCK_BYTES);
  await source.seek(0);
  for (let done = 0, count; (count = await source.read(block)) > 0;) {
    signal?.throwIfAborted();
    await writeAll(target, block.subarray(0, count));
    done += count;
    await onProgress?.("copying", done, size);
  }
}

/** Read back from the disk: what is there is what the backup has. */
async function compareBytes(source: ReadableFile, file: LockedFile, target: string): Promise<void> {
  const expected = new Uint8Array(BLOCK_BYTES);
  const found = new Uint8Array(BLOCK_BYTES);
  await source.seek(0);
  let offset = 0;
  for (let count; (count = await source.read(expected)) > 0; offset += count) {
    for (let have = 0; have < count;) {
      const more = await file.read(found.subarray(have, count), offset + have);
      if (more === 0) throw differs(target, offset + have);
      have += more;
    }
    for (let at = 0; at < count; at++) if (expected[at] !== found[at]) throw differs(target, offset + at);
  }
  if (await file.size() !== offset) throw differs(target, offset);
}

function differs(path: string, offset: number): StoreError {
  return new StoreError(
    `Cannot restore to ${path}: what was written differs from the backup at byte ${offset}. ` +
      "Nothing was kept of it; look at the disk.",
    path,
  );
}
