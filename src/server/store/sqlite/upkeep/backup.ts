/**
 * A copy of the database under a new name, also while a server writes to it: whole and read back, or not
 * there at all.
 */
import { DatabaseSync } from "node:sqlite";
import type { Clock, NextTurn } from "../../../../platform/clock.ts";
import type { Files, LockedFile } from "../../../../platform/files.ts";
import { StoreError } from "../../store_error.ts";
import { NEW_FILE_PRAGMAS } from "../database_file.ts";
import { explained } from "../sqlite_errors.ts";
import { openReadOnly, readOnlyUri, usedBytes } from "./read_only.ts";
import { RowCopy } from "./row_copy.ts";
import { publishDatabase, refuseWithoutRoom } from "./target_file.ts";
import { type Verification, verifyDatabase } from "./verify.ts";

/** What is written goes to the disk in pieces of this size, so that a sync never has much to do. */
const SYNC_EVERY_BYTES = 8 * 1024 * 1024;

export interface CopyHost {
  readonly files: Files;
  readonly clock: Clock;
  readonly nextTurn: NextTurn;
}

export interface CopyOptions {
  host: CopyHost;
  /** Payload bytes a second; Infinity: as fast as it goes. */
  rateBytes: number;
  /** Nobody writes to the source, and no journal lies beside it. */
  isAlone?: boolean;
  signal?: AbortSignal;
  onProgress?(step: "copying" | "checking", done: number, total: number): Promise<void>;
}

export interface Backup {
  path: string;
  fileBytes: number;
  verification: Verification;
}

/**
 * @throws StoreError when the source cannot be read, there is no room, the name is taken, or what was read
 * back is
 *   not right; nothing is left under the name then
 */
export async function backUp(source: string, target: string, options: CopyOptions): Promise<Backup> {
  const { host } = options;
  const totalBytes = await sizeOf(source);
  await refuseWithoutRoom(host.files, target, totalBytes);
  let verification: Verification | undefined;
  await publishDatabase(host.files, target, {
    write: (file, hiddenPath) => copyRows(source, hiddenPath, file, totalBytes, options),
    check: async (_, hiddenPath) => void (verification = await checkCopy(hiddenPath, source, options)),
  });
  return { path: target, fileBytes: (await host.files.stat(target)).size, verification: verification! };
}

/** Rows into the empty file at `target`, which ends synced and whole, but for its name. */
export async function copyRows(
  source: string,
  target: string,
  file: Pick<LockedFile, "syncData">,
  totalBytes: number,
  { host: { clock, nextTurn }, rateBytes, isAlone = false, signal, onProgress }: CopyOptions,
): Promise<void> {
  const startMs = clock.elapsedMs();
  let unsyncedBytes = 0;
  await explained("copy", source, async () => {
    using database = openTarget(target, readOnlyUri(source, isAlone));
    const copy = new RowCopy(database.sql);
    for (const { bytes, doneBytes } of copy.slices()) {
      signal?.throwIfAborted();
      if ((unsyncedBytes += bytes) >= SYNC_EVERY_BYTES) {
        await file.syncData();
        unsyncedBytes = 0;
      }
      await onProgress?.("copying", doneBytes, totalBytes);
      const dueMs = startMs + doneBytes / rateBytes * 1000;
      if (dueMs > clock.elapsedMs()) await clock.sleep(dueMs - clock.elapsedMs(), signal);
      else await new Promise<void>((resolve) => nextTurn(resolve));
    }
    signal?.throwIfAborted();
    copy.finish();
  });
  await file.syncData();
}

function openTarget(target: string, sourceUri: string): { sql: DatabaseSync } & Disposable {
  const sql = new DatabaseSync(target);
  try {
    // Nobody reads the file before it is whole, and a crash leaves a hidden name: no journal has to be on the
    // disk.
    // The layout comes last, since setting it writes.
    sql.exec(`PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF; PRAGMA foreign_keys = OFF;
      PRAGMA busy_timeout = 10000; PRAGMA cache_size = -32768; ${NEW_FILE_PRAGMAS}`);
    sql.prepare("ATTACH ? AS source").run(sourceUri);
    return { sql, [Symbol.dispose]: () => sql.close() };
  } catch (error) {
    sql.close();
    throw error;
  }
}

/** @throws StoreError when the copy is not what it has to be */
export async function checkCopy(
  path: string,
  source: string,
  { host: { nextTurn }, signal, onProgress }: Omit<CopyOptions, "rateBytes">,
): Promise<Verification> {
  using database = openReadOnly(path, { isAlone: true });
  const { events } = database.sql.prepare("SELECT count(*) AS events FROM events").get()!;
  const verification = await explained("read", path, () =>
    verifyDatabase(database.sql, {
      async pause() {
        signal?.throwIfAborted();
        await new Promise<void>((resolve) => nextTurn(resolve));
      },
      onProgress: (done) => onProgress?.("checking", done, Number(events)) ?? Promise.resolve(),
    }));
  if (verification.problemCount === 0) return verification;
  throw new StoreError(
    `Cannot copy ${source}: what was copied is not right: ${verification.problems[0]!.text}. ` +
      "Nothing was kept of the copy, and the database was not changed. See what is wrong with it: airunner server verify",
    source,
  );
}

async function sizeOf(source: string): Promise<number> {
  using database = openReadOnly(source);
  return await explained("read", source, () => Promise.resolve(usedBytes(database.sql)));
}
