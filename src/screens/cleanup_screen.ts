/**
 * The screen of `wal cleanup`: what goes, what stays although it is old, and how much comes free. Pure.
 */
import { counted, formatAge, formatBytes, formatTable, shown, type Style } from "../platform/text.ts";

export interface CleanupFile {
  readonly path: string;
  readonly bytes: number;
  /** What its age is counted from. */
  readonly sinceMs: number;
}

/** Why an archive is kept although its time has come. */
export type Why = "pending" | "failed" | "unknown";

export interface GoingFile extends CleanupFile {
  readonly jobId: string;
  /** What is lost with it; undefined when the server has everything. */
  readonly lost: Why | undefined;
}

export interface CleanupScreen {
  readonly archiveDir: string;
  /** What goes, such as `older than 30d`. */
  readonly rule: string;
  readonly going: readonly GoingFile[];
  /** Old enough, and kept for a better reason. */
  readonly kept: readonly (CleanupFile & { why: Why })[];
  readonly young: number;
  readonly nowMs: number;
}

/** More than a screen of names helps nobody decide; the JSON form has them all. */
const FILES_SHOWN_MAX = 20;

export const WHY: Readonly<Record<Why, string>> = {
  pending: "the server lacks events of it",
  failed: "the server refused events of it",
  unknown: "it cannot be read, so nobody knows what the server has of it",
};

export function renderCleanupPlan(
  { archiveDir, rule, going, kept, young, nowMs }: CleanupScreen,
  style: Style,
): string {
  let text = "";
  if (going.length > 0) {
    const rows = going.slice(0, FILES_SHOWN_MAX).map((file) => [
      formatBytes(file.bytes),
      formatAge(file.sinceMs, nowMs),
      shown(file.path),
    ]);
    text += formatTable(
      [{ title: "SIZE", align: "right" }, { title: "LAST EVENT" }, { title: "ARCHIVE" }],
      rows,
      style,
    );
    if (going.length > rows.length) text += `and ${counted(going.length - rows.length, "more archive")}\n`;
  }
  for (const file of going) {
    if (file.lost !== undefined) {
      text += style.bad(`Lost for good with ${shown(file.path)}: ${WHY[file.lost]}`) + "\n";
    }
  }
  for (const file of kept.slice(0, FILES_SHOWN_MAX)) {
    text += style.warn(`Kept ${shown(file.path)}: ${WHY[file.why]}`) + "\n";
  }
  if (kept.length > FILES_SHOWN_MAX) {
    text += `and ${counted(kept.length - FILES_SHOWN_MAX, "more archive")} kept\n`;
  }
  const stays = `${counted(young + kept.length, "archive")} of ${shown(archiveDir)} ${
    young + kept.length === 1 ? "stays" : "stay"
  }`;
  const goes = going.length === 0
    ? `Nothing is ${rule}`
    : `${counted(going.length, "archive")} ${rule}, ${formatBytes(totalBytes(going))}`;
  return text + `${goes}; ${stays}\n`;
}

export function totalBytes(files: readonly { bytes: number }[]): number {
  return files.reduce((sum, file) => sum + file.bytes, 0);
}
