/**
 * Every promise of `Files` as a test, for each implementation of it. What a power cut leaves is not in here:
 * only a disk in memory can show that, and `memory_files_test.ts` says what it does.
 */
import type { FilesPromise } from "./files_promise.ts";
import { NAME_PROMISES } from "./promises_of_names.ts";
import { OPEN_FILE_PROMISES } from "./promises_of_open_files.ts";

export function testFilesContract(name: string, withPlace: (body: FilesPromise) => Promise<void>): void {
  for (const [promise, body] of Object.entries({ ...OPEN_FILE_PROMISES, ...NAME_PROMISES })) {
    Deno.test(`${name}: ${promise}`, () => withPlace(body));
  }
}
