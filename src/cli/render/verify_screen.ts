/**
 * The lines of `wal verify`: one a file, then what to type about the damaged ones. Pure.
 */
import { damageMeaning, type Health, healthLine } from "./health.ts";
import { counted, formatNext, shellWord, shown, type Style } from "./text.ts";

export interface VerifiedFile extends Health {
  readonly path: string;
}

export function renderVerified(file: VerifiedFile, style: Style): string {
  const line = `${shown(file.path)}: ${healthLine(file)}`;
  return (file.damage ? `${style.bad(line)}\n  ${damageMeaning(file)}` : line) + "\n";
}

export interface VerifyTotals {
  readonly whole: number;
  readonly unreadable: number;
  readonly damaged: readonly string[];
}

/** Nothing for one whole file: its line has said it all. */
export function renderVerifyTotals({ whole, damaged, unreadable }: VerifyTotals, style: Style): string {
  const files = whole + damaged.length + unreadable;
  let text = "";
  if (files > 1) {
    const parts = [
      `${whole} whole`,
      `${damaged.length} damaged`,
      ...(unreadable > 0 ? [`${unreadable} unreadable`] : []),
    ];
    text += `${counted(files, "file")}: ${parts.join(", ")}\n`;
  }
  if (damaged.length > 0) {
    text += formatNext([
      [
        `airunner wal inspect ${shown(shellWord(damaged[0]))}`,
        "shows whose log it is and what the server lacks",
      ],
    ], style);
  }
  return text;
}
