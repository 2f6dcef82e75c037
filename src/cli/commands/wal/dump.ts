/**
 * `airunner wal dump`: what a log holds, to be kept or piped on: the output byte for byte or line by line, or
 * every event as JSON.
 */
import { base64Encode } from "@bufbuild/protobuf/wire";
import { decodeEvent, type JobEvent, outputOf, StreamType } from "../../../events/event.ts";
import { eventToJson } from "../../../events/event_json.ts";
import type { Call } from "../../call.ts";
import { CommandError, UsageError } from "../../command_error.ts";
import type { Context } from "../../context.ts";
import { ExitCode } from "../../../screens/exit_code.ts";
import { toJson } from "../../../platform/json.ts";
import { type LogScan, scanBytes } from "../../../survey/scan.ts";
import { openLog } from "../../../survey/open_log.ts";
import { cannotRead } from "./cannot_read.ts";
import { type EventRow, readEvents, summarizeLog } from "../../../survey/summary.ts";
import { findTarget, type LogTarget } from "./log_target.ts";
import { parseSequences, parseWords, type SequenceBounds } from "../../options/option_values.ts";
import { OutputLines } from "../../../events/output_lines.ts";
import { renderOutputLine } from "../../../screens/dump_lines.ts";
import { damageMeaning, healthLine } from "../../../screens/health.ts";
import { counted, shellWord } from "../../../platform/text.ts";
import { SeenSequences } from "../../../client/seen_sequences.ts";
import { ownerOf } from "../../../survey/log_owner.ts";
import type { Files } from "../../../platform/files.ts";

export interface DumpOptions {
  raw?: true;
  text?: true;
  json?: true;
  stream?: string;
  seq?: string;
}

type Dump = Call<[string], DumpOptions, "walDir" | "archiveDir">;

const STREAMS = { stdout: StreamType.STDOUT, stderr: StreamType.STDERR } as const;

/** What was asked for of the log. */
interface Wanted {
  readonly bounds: SequenceBounds | undefined;
  readonly streams: readonly StreamType[] | undefined;
}

export async function run(call: Dump): Promise<number> {
  const { context, args: [word], options, settings } = call;
  const forms = [options.raw, options.text, options.json].filter(Boolean).length;
  if (forms !== 1) {
    throw new UsageError(
      `Cannot dump in ${
        forms === 0 ? "no" : "more than one"
      } form: add --raw for the output's exact bytes, ` +
        "--text for its lines with time and stream, or --json for every event",
    );
  }
  const wanted: Wanted = {
    bounds: options.seq === undefined ? undefined : parseSequences("--seq", options.seq),
    streams: options.stream === undefined
      ? undefined
      : parseWords("--stream", options.stream, ["stdout", "stderr"]).map((name) => STREAMS[name]),
  };
  const target = await findTarget(context, word, settings);
  try {
    const { scan, undecodable } = options.json
      ? await dumpEvents(target, wanted, context)
      : await dumpOutput(target, wanted, call);
    await context.stdout.flush();
    await failIfIncomplete(context.files, target, scan, undecodable);
  } catch (error) {
    throw cannotRead(target.path, error);
  }
  return ExitCode.DONE;
}

interface Dumped {
  readonly scan: LogScan;
  /** Events whose output is missing, because they are none. */
  readonly undecodable: number;
}

async function dumpOutput(
  { file }: LogTarget,
  { bounds, streams }: Wanted,
  { context: { files, stdout }, options, style }: Dump,
): Promise<Dumped> {
  const seen = new SeenSequences();
  const lines = new OutputLines();
  let undecodable = 0;
  const scan = await scanBytes(
    (await openLog(files, file)).bytes,
    async ({ sequence, payload }, kind) => {
      // Another writer may have logged an event again with its new status; a server keeps the first, so do
      // we.
      if (kind !== "event" || !seen.add(sequence) || !isWithin(sequence, bounds)) return;
      const event = decodeEvent(payload);
      if (event === undefined) undecodable++;
      else {for (const piece of outputOf(event)) {
          if (streams !== undefined && !streams.includes(piece.stream)) continue;
          if (options.raw) await stdout.write(piece.bytes);
          else for (const line of lines.push(piece)) await stdout.write(renderOutputLine(line, style));
        }}
    },
  );
  for (const line of lines.finish()) await stdout.write(renderOutputLine(line, style));
  return { scan, undecodable };
}

/** In two passes, because a status is known only at the log's end. */
async function dumpEvents(
  { file }: LogTarget,
  { bounds, streams }: Wanted,
  { files, stdout }: Pick<Context, "files" | "stdout">,
): Promise<Dumped> {
  const scan = await summarizeLog((await openLog(files, file)).bytes);
  await readEvents((await openLog(files, file)).bytes, scan, async (row) => {
    if (!isWithin(row.sequence, bounds)) return;
    const event = decodeEvent(row.payload);
    const chosen = event === undefined || streams === undefined ? event : withStreams(event, streams);
    if (streams !== undefined && chosen === undefined) return;
    await stdout.write(toJson(eventLine(row, chosen)) + "\n");
  });
  // What is no event is in the dump as it is: nothing is missing.
  return { scan, undecodable: 0 };
}

/** An event that cannot be shown as one is there all the same, byte for byte. */
function eventLine({ offset, length, sequence, status, timestampMs, payload }: EventRow, event?: JobEvent) {
  const json = event && eventToJson(event);
  return {
    schema_version: 1,
    offset,
    length,
    sequence,
    status,
    timestamp_ms: timestampMs,
    event: json ?? null,
    ...(json === undefined ? { payload_base64: base64Encode(payload) } : {}),
  };
}

/** The event with the output of these streams alone; undefined when it has none. */
function withStreams(event: JobEvent, streams: readonly StreamType[]): JobEvent | undefined {
  const { eventData } = event;
  // What a terminal shows is one stream.
  if (eventData.case === "output") return streams.includes(StreamType.STDOUT) ? event : undefined;
  if (eventData.case !== "outputBatch") return undefined;
  const outputs = eventData.value.outputs.filter(({ streamType }) => streams.includes(streamType));
  if (outputs.length === 0) return undefined;
  return { ...event, eventData: { case: "outputBatch", value: { ...eventData.value, outputs } } };
}

function isWithin(sequence: bigint, bounds: SequenceBounds | undefined): boolean {
  return bounds === undefined || (sequence >= bounds.first && sequence <= bounds.last);
}

async function failIfIncomplete(
  files: Files,
  { path, file }: LogTarget,
  scan: LogScan,
  undecodable: number,
): Promise<void> {
  const beingWritten = scan.damage?.problem === "torn_record" && path !== "-" &&
    await ownerOf(files, file) !== undefined;
  if (scan.damage && !beingWritten) {
    throw new CommandError(
      `${path} is ${healthLine(scan)}. ${capitalized(damageMeaning(scan))}. ` +
        "What comes before the damage was written; the log was not changed.",
      ExitCode.FAILED,
      path === "-" ? undefined : `Next: airunner wal verify ${shellWord(path)}`,
    );
  }
  if (undecodable > 0) {
    throw new CommandError(
      `Cannot decode ${counted(undecodable, "event")} of ${path}; what output they held is missing.`,
      ExitCode.FAILED,
      path === "-" ? undefined : `Next: airunner wal inspect ${shellWord(path)} --type=UNDECODABLE`,
    );
  }
}

function capitalized(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
