/**
 * What a promise of `Files` is tried on.
 */
import type { Files } from "../../src/platform/files.ts";

/** Files, and an empty directory to try them in; its path has no links in it. */
export interface FilesPlace {
  files: Files;
  directory: string;
}

/** Rejects when the promise is not kept. */
export type FilesPromise = (place: FilesPlace) => Promise<void>;
