/**
 * Opens the store of a server: alone on its file, and with the newest schema.
 */
import { messageOf } from "../../../platform/error_text.ts";
import { parentDirectory } from "../../../platform/path_names.ts";
import type { Logger } from "../../../platform/logging/logger.ts";
import type { Store } from "../contract.ts";
import { StoreError } from "../store_error.ts";
import { lockDatabase } from "./database_lock.ts";
import { SqliteStore } from "./sqlite_store.ts";
import type { CopyHost } from "./upkeep/backup.ts";
import { upgradeDatabase, type UpgradeOptions } from "./upkeep/upgrade.ts";

export interface OpenOptions {
  host: CopyHost;
  logger: Logger;
  onUpgrade?: UpgradeOptions["onProgress"];
}

async function makeDirectoryOf(path: string, files: CopyHost["files"]): Promise<void> {
  try {
    await files.makeDirectory(parentDirectory(path));
  } catch (cause) {
    throw new StoreError(
      `Cannot open ${path}: ${messageOf(cause)}. Nothing was changed. ` +
        "Name a file that this user may write, or correct the permissions of its directory.",
      path,
      { cause },
    );
  }
}

/** @throws StoreError when the file cannot be used, with the next step in its message. */
export async function openSqliteStore(
  path: string,
  { host, logger, onUpgrade }: OpenOptions,
): Promise<Store> {
  await makeDirectoryOf(path, host.files);
  const lock = await lockDatabase(host.files, host.clock, path);
  try {
    await upgradeDatabase(path, { host, logger, onProgress: onUpgrade });
    const store = new SqliteStore(path, { files: host.files, nextTurn: host.nextTurn, logger });
    return {
      jobs: store.jobs,
      events: store.events,
      workers: store.workers,
      upkeep: store.upkeep,
      async close() {
        try {
          await store.close();
        } finally {
          await lock.release();
        }
      },
    };
  } catch (error) {
    await lock.release();
    throw error;
  }
}
