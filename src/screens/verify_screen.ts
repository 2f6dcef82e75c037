/**
 * The lines of `wal verify`: one a file, what its damage means for the data, then what to type. Pure.
 */
import type { DamageExtent } from "../survey/damage.ts";
import type { LockOwner } from "../platform/lock_table.ts";
import { damageMeaning, type Health, healthLine } from "./health.ts";
import {
  counted,
  formatBytes,
  formatCount,
  formatNext,
  shellWord,
  shown,
  type Style,
} from "../platform/text.ts";

export interface VerifiedFile extends Health {
  readonly path: string;
  readonly owner: LockOwner | undefined;
  readonly extent: DamageExtent | undefined;
  readonly reservedWord: number;
}

export function renderVerified(file: VerifiedFile, style: Style): string {
  return renderFile(file, style) + headerNotice(file);
}

/** Nothing when there is nothing to notice. It is no damage: no reader looks at the word. */
export function headerNotice({ reservedWord }: Pick<VerifiedFile, "reservedWord">): string {
  if (reservedWord === 0) return "";
  const word = `0x${reservedWord.toString(16).padStart(8, "0")}`;
  return `  note: the reserved word of its header is ${word}, not 0. No reader looks at it, and no event is in it: the log\n` +
    "  was written by a newer version, or a bit of its disk has changed\n";
}

function renderFile(file: VerifiedFile, style: Style): string {
  const line = `${shown(file.path)}: ${healthLine(file)}`;
  if (!file.damage || !file.extent) {
    return line + (file.owner ? `, ${ownerName(file.owner)} is writing to it` : "") + "\n";
  }
  const paint = file.extent.isTornTail ? style.warn : style.bad;
  return `${paint(line)}\n  ${damageMeaning(file)}\n  ${extentLine(file, file.extent)}\n`;
}

/** What follows from the damage: is data lost, and who does something about it. */
function extentLine(file: VerifiedFile, { isTornTail, recordsAfter, wholeButLength }: DamageExtent): string {
  const { logBytes, goodBytes, owner } = file;
  if (isTornTail) {
    const tailBytes = formatBytes(Math.max(0, logBytes - goodBytes));
    const who = owner === undefined
      ? `the next worker that opens the log saves these ${tailBytes} beside it, cuts them off and goes on`
      : `${ownerName(owner)} has the log open, but did not go on writing while it was checked`;
    return "torn tail: nothing valid follows. After a crash no acknowledged event is in it, and\n  " +
      `${who}.\n  Of a copied file it means that the copy is not complete`;
  }
  if (wholeButLength) {
    const more = recordsAfter === 0
      ? ""
      : `, with the ${counted(recordsAfter, "valid record")} that ${
        recordsAfter === 1 ? "follows" : "follow"
      }`;
    return `only the record's length is wrong: its checksum proves the rest, and wal recover saves it${more}.\n  ` +
      "The file was not changed";
  }
  if (recordsAfter === 0) return "nothing valid follows. The file was not changed";
  const records = `${counted(recordsAfter, "valid record")} ${recordsAfter === 1 ? "follows" : "follow"}`;
  const where = file.goodBytes === 0 ? "" : "damage in the middle: ";
  return `${where}${records}, which wal recover saves. The file was not changed`;
}

function ownerName({ pid }: LockOwner): string {
  return pid === undefined ? "a process elsewhere" : `process ${pid}`;
}

export interface VerifyTotals {
  readonly whole: number;
  readonly unreadable: number;
  readonly torn: readonly string[];
  readonly damaged: readonly string[];
}

/** Nothing for one whole file that was named: its line has said it all. */
export function renderVerifyTotals(
  { whole, torn, damaged, unreadable }: VerifyTotals,
  isAll: boolean,
  style: Style,
): string {
  const files = whole + torn.length + damaged.length + unreadable;
  let text = "";
  if (files > 1 || isAll) {
    const parts = [
      `${formatCount(whole)} whole`,
      ...(torn.length > 0 ? [`${formatCount(torn.length)} with a torn tail`] : []),
      `${formatCount(damaged.length)} damaged`,
      ...(unreadable > 0 ? [`${formatCount(unreadable)} unreadable`] : []),
    ];
    text += `${counted(files, "file")}: ${parts.join(", ")}\n`;
  }
  const worst = damaged[0] ?? torn[0];
  if (worst === undefined) return text;
  const path = shown(shellWord(worst));
  const next: [string, string][] = [
    [`airunner wal inspect ${path}`, "shows whose log it is and what the server lacks"],
  ];
  if (damaged.length > 0) {
    next.push([
      `airunner wal recover --dry-run ${path}`,
      "shows what can be saved from behind the damage; changes nothing",
    ]);
  }
  return text + formatNext(next, style);
}
