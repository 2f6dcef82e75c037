/**
 * The real disk, but for the syncs of the files that are made on it.
 */
import type { Files, LockedFile } from "../../src/platform/files.ts";
import { systemFiles } from "../../src/platform/system_files.ts";

/**
 * `syncData` is called in place of the real one, with how often the file was synced before; `onClose` after a
 * file was closed.
 */
export function diskWithSync(
  syncData: (sync: () => Promise<void>, syncsBefore: number) => Promise<void>,
  onClose: () => void = () => {},
): Files {
  return {
    ...systemFiles,
    async create(path) {
      const file = await systemFiles.create(path);
      let syncs = 0;
      return new Proxy(file, {
        get(target, name: keyof LockedFile) {
          if (name === "syncData") return () => syncData(() => target.syncData(), syncs++);
          if (name === "close") {
            return () => {
              target.close();
              onClose();
            };
          }
          const value = target[name];
          return typeof value === "function" ? value.bind(target) : value;
        },
      });
    },
  };
}
