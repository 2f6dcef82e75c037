/**
 * What `wal inspect --payload` shows below an event: its output line by line, or what else it says. Pure.
 * Nothing in it acts on a terminal, colours neither, whether it is written to one or not: the lines are for
 * reading, `wal dump` is for bytes.
 */
import { decodeEvent, type JobEvent, outputOf, StreamType } from "../events/event.ts";
import { eventToJson } from "../events/event_json.ts";
import { type OutputLine, OutputLines } from "../events/output_lines.ts";
import { formatBytes, shown, type Style } from "../platform/text.ts";

const INDENT = " ".repeat(4);

/** Bytes shown of what is no event: enough to see what it is. */
const HEX_BYTES_MAX = 64;

export function renderPayload(payload: Uint8Array, style: Style): string {
  const event = decodeEvent(payload);
  const lines = event === undefined ? [undecodable(payload)] : [...linesOf(event, style)];
  return lines.map((line) => `${INDENT}${line}`.trimEnd() + "\n").join("");
}

function* linesOf(event: JobEvent, style: Style): Generator<string> {
  const { eventData } = event;
  if (eventData.case !== "output" && eventData.case !== "outputBatch") {
    const { sequence: _, timestamp: __, eventType: ___, ...data } = eventToJson(event) ?? {};
    for (const value of Object.values(data)) yield shown(JSON.stringify(value));
    return;
  }
  const output = new OutputLines();
  for (const piece of outputOf(event)) {
    for (const line of output.push(piece)) yield outputLine(line, style);
  }
  for (const line of output.finish()) yield outputLine(line, style);
}

function outputLine({ stream, bytes, isWhole }: OutputLine, style: Style): string {
  const name = stream === StreamType.STDERR ? style.warn("stderr") : "stdout";
  // The line may go on in the next event.
  const end = isWhole ? "" : style.dim(" (no line end)");
  return `${name}  ${shown(new TextDecoder().decode(bytes))}${end}`;
}

function undecodable(payload: Uint8Array): string {
  const hex = Array.from(payload.subarray(0, HEX_BYTES_MAX), (byte) => byte.toString(16).padStart(2, "0"));
  const more = payload.length > HEX_BYTES_MAX ? ` … ${formatBytes(payload.length)} in all` : "";
  return `no job event: ${hex.join(" ")}${more}`;
}
