/**
 * The lines of `wal dump --text`: time, stream and text. Pure.
 */
import { StreamType } from "../events/event.ts";
import type { OutputLine } from "../events/output_lines.ts";
import { TerminalFilter } from "./terminal_filter.ts";
import { colorStyle, exactTime, shown, type Style } from "../platform/text.ts";

/**
 * The job's own colours pass where ours do, and never beyond their line; whatever else a terminal would act
 * upon is made visible.
 */
export function renderOutputLine({ stream, timestampMs, bytes }: OutputLine, style: Style): string {
  const time = style.dim(exactTime(timestampMs));
  const name = stream === StreamType.STDERR ? style.warn("stderr") : "stdout";
  const text = style === colorStyle ? colored(bytes) : shown(new TextDecoder().decode(bytes));
  return `${time}  ${name}  ${text}`.trimEnd() + "\n";
}

const RESET = "\u001b[0m";

function colored(bytes: Uint8Array): string {
  const filter = new TerminalFilter();
  // A carriage return within a line would let it write over its time and stream.
  const text = (filter.push(bytes) + filter.finish()).replaceAll("\r", "\\u000d");
  return text.includes("\u001b") ? text + RESET : text;
}
