/**
 * Verifies a file where it lies, beside its server if one runs.
 */
import { explained } from "../sqlite_errors.ts";
import type { CopyOptions } from "./backup.ts";
import { openReadOnly } from "./read_only.ts";
import { type Verification, verifyDatabase } from "./verify.ts";

/** @throws StoreError when it cannot be read; what is wrong with its content is in the answer */
export async function verifyFile(
  path: string,
  { host: { nextTurn }, signal, onProgress }: Omit<CopyOptions, "rateBytes">,
): Promise<Verification> {
  using database = openReadOnly(path);
  return await explained("read", path, () => {
    const { events } = database.sql.prepare("SELECT count(*) AS events FROM events").get()!;
    return verifyDatabase(database.sql, {
      async pause() {
        signal?.throwIfAborted();
        await new Promise<void>((resolve) => nextTurn(resolve));
      },
      onProgress: (done) => onProgress?.("checking", done, Number(events)) ?? Promise.resolve(),
    });
  });
}
