/**
 * How many archives there are, and how long they and the logs in them are. An archive never changes, so each
 * is opened once.
 */
import { readFileName } from "../wal/file_names.ts";
import type { Host } from "../platform/host.ts";
import { type ListedFile, listFiles } from "./directory.ts";
import { FactsCache } from "./facts_cache.ts";

export interface ArchiveTotals {
  files: number;
  bytes: number;
  /**
   * Of an archive that does not say how long its log was, as of one made by the zstd program, its own length.
   */
  rawBytes: number;
  /** Length of all files of the directory. */
  directoryBytes: number;
}

export interface ArchiveSurveyOptions {
  host: Pick<Host, "files" | "clock">;
  directory: string;
  /** How long the archived log was; undefined when the archive does not say. */
  readRawBytes(path: string): Promise<number | undefined>;
}

export class ArchiveSurvey {
  readonly #options: ArchiveSurveyOptions;
  readonly #rawBytes = new FactsCache<number>();

  constructor(options: ArchiveSurveyOptions) {
    this.#options = options;
  }

  async run(): Promise<ArchiveTotals> {
    const { host, directory } = this.#options;
    const nowMs = host.clock.nowMs();
    const totals: ArchiveTotals = { files: 0, bytes: 0, rawBytes: 0, directoryBytes: 0 };
    for (const file of await listFiles(host, directory)) {
      totals.directoryBytes += file.bytes;
      if (readFileName(file.name)?.kind !== "archive") continue;
      totals.files++;
      totals.bytes += file.bytes;
      totals.rawBytes += await this.#rawBytes.of(file, (archive) => this.#read(archive), nowMs);
    }
    this.#rawBytes.forgetUnseen();
    return totals;
  }

  async #read({ path, bytes }: ListedFile): Promise<number> {
    try {
      return await this.#options.readRawBytes(path) ?? bytes;
    } catch {
      // Gone, or not for us to read: retention reports that, and here it changes a ratio by next to nothing.
      return bytes;
    }
  }
}
