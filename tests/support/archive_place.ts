/**
 * A data directory for tests of archiving.
 */
import { archiveLog, type ArchiveOptions, type ArchiveResult } from "../../src/archive/archiver.ts";
import { readLogBytes } from "../../src/archive/log_bytes.ts";
import { silentLogger } from "../../src/platform/logging/logger.ts";
import { systemFiles } from "../../src/platform/system_files.ts";
import { collect, withDirectory } from "./archive_logs.ts";

/** A data directory with one log in it. */
export class ArchivePlace {
  readonly archiveDir: string;
  readonly logPath: string;

  constructor(readonly directory: string, log: Uint8Array, name = "job-1.wal") {
    this.archiveDir = `${directory}/archive`;
    this.logPath = `${directory}/wal/${name}`;
    Deno.mkdirSync(`${directory}/wal`, { recursive: true });
    Deno.writeFileSync(this.logPath, log);
  }

  archive(options: Partial<ArchiveOptions> = {}): Promise<ArchiveResult> {
    return archiveLog({
      files: systemFiles,
      logPath: this.logPath,
      archiveDir: this.archiveDir,
      level: 3,
      logger: silentLogger,
      ...options,
    });
  }

  logs(): string[] {
    return namesIn(`${this.directory}/wal`);
  }

  archives(): string[] {
    return namesIn(this.archiveDir);
  }

  async content(name = "job-1.wal.zst"): Promise<Uint8Array> {
    return await collect(await readLogBytes(systemFiles, `${this.archiveDir}/${name}`));
  }
}

/** In order; none where there is no directory. */
export function namesIn(directory: string): string[] {
  try {
    return [...Deno.readDirSync(directory)].map((entry) => entry.name).sort();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

export function withPlace(log: Uint8Array, body: (place: ArchivePlace) => Promise<void>): Promise<void> {
  return withDirectory((directory) => body(new ArchivePlace(directory, log)));
}
