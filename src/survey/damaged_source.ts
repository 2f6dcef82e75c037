/**
 * A damaged log or archive as bytes, with where they are missing.
 */
import type { Files } from "../platform/files.ts";
import { type LogBytes, readLogFile } from "../wal/reader.ts";
import type { OpenBytes } from "../wal/repair.ts";
import { openLog } from "./open_log.ts";

/** A damaged log, read as often as it takes. */
export interface DamagedSource {
  readonly open: OpenBytes;
  readonly isArchive: boolean;
  /** What is wrong with the archive around the log, as far as it was read. */
  readonly problems: string[];
  /** Where in the log's bytes others are missing, ascending, as far as it was read. */
  readonly holes: readonly number[];
}

/** @throws {LogUnreadableError} */
export async function openDamaged(files: Files, path: string): Promise<DamagedSource> {
  const { archived } = await openLog(files, path);
  const problems: string[] = [];
  let holes: number[] = [];
  // An archive whose very first bytes are damaged is told by its name only.
  if (!archived && !path.endsWith(".zst")) {
    return { open: () => readLogFile(files, path), isArchive: false, problems, holes };
  }
  const { salvageArchive } = await import("../archive/salvage_archive.ts");
  const open = async function* (): LogBytes {
    let passed = 0;
    const found: number[] = [];
    const onDamage = ({ offset, reason }: { offset: number; reason: string }) => {
      problems.push(`byte ${offset}: ${reason}`);
      found.push(passed);
    };
    for await (const chunk of salvageArchive(files, path, onDamage)) {
      passed += chunk.length;
      yield chunk;
    }
    // Behind the last byte nothing is missing from between two others.
    holes = found.filter((hole) => hole < passed);
  };
  return {
    open,
    isArchive: true,
    problems,
    get holes() {
      return holes;
    },
  };
}
