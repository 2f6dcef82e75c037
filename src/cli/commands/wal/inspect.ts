/**
 * `airunner wal inspect`: what is in a log.
 */
import { basename } from "node:path";
import { readFileName } from "../../../wal/file_names.ts";
import type { LogBytes } from "../../../wal/reader.ts";
import type { Call } from "../../call.ts";
import { UsageError } from "../../command_error.ts";
import { ExitCode } from "../../../screens/exit_code.ts";
import { toJson } from "../../../platform/json.ts";
import { openLog } from "../../../survey/open_log.ts";
import { cannotRead } from "./cannot_read.ts";
import { type EventRow, type LogSummary, readEvents, summarizeLog } from "../../../survey/summary.ts";
import { findTarget, type LogTarget } from "./log_target.ts";
import type { Output } from "../../../screens/output.ts";
import { Progress } from "../../../screens/progress.ts";
import { type FilterOptions, parseFilter, type RecordFilter } from "../../options/record_filter.ts";
import { recordJson } from "../../../screens/record_json.ts";
import {
  type InspectScreen,
  renderInspect,
  renderRecord,
  renderRecordHeader,
} from "../../../screens/inspect_screen.ts";
import { renderPayload } from "../../../screens/payload_lines.ts";
import { counted, shown } from "../../../platform/text.ts";
import { ownerOf } from "../../../survey/log_owner.ts";
import type { Context } from "../../context.ts";

export interface InspectOptions extends FilterOptions {
  json?: true;
  records?: true;
  follow?: true;
  payload?: true;
}

type Inspect = Call<[string], InspectOptions, "walDir" | "archiveDir">;

interface Inspected extends LogTarget {
  readonly archived: boolean;
  readonly summary: LogSummary;
  /** The log's bytes from their beginning, told on a terminal how far they are read. */
  open(): Promise<LogBytes>;
}

export async function run(call: Inspect): Promise<number> {
  const { context, args: [word], options, settings: { archiveDir }, style } = call;
  const filter = parseFilter(options, context.clock.nowMs());
  if (options.follow) checkFollow(word, options);
  const target = await findTarget(context, word, call.settings);
  try {
    const { archived } = await openLog(context.files, target.file);
    if (options.follow && !archived) {
      const { followRecords } = await import("./inspect_follow.ts");
      const { json = false, payload = false } = options;
      await followRecords(context, { path: target.path, archiveDir, filter, json, payload, style });
    } else {
      await write(await inspect(target, call), filter, call);
    }
  } catch (error) {
    throw cannotRead(target.path, error);
  }
  return ExitCode.DONE;
}

function checkFollow(word: string, { status }: InspectOptions): void {
  if (word === "-") throw new UsageError("Cannot follow standard input: name the job or the file");
  if (status !== undefined) {
    throw new UsageError("Cannot follow by --status: the status of an event changes after it was shown");
  }
}

async function write(inspected: Inspected, filter: RecordFilter | undefined, call: Inspect): Promise<void> {
  const { context: { stdout, stderr }, options, style } = call;
  if (options.json) await writeJson(inspected, filter, call);
  else if (options.records || options.payload || options.follow || filter) {
    await writeRecords(inspected, filter, call);
  } else await stdout.write(renderInspect(await screenOf(inspected, call.context), style));
  if (!options.follow) return;
  await stdout.flush();
  await stderr.write(`${shown(inspected.path)} is an archive: nothing is added to it\n`);
  await stderr.flush();
}

async function inspect(target: LogTarget, { context }: Inspect): Promise<Inspected> {
  const { size } = await context.files.stat(target.file);
  const { bytes, archived } = await openLog(context.files, target.file);
  const progress = new Progress(context);
  // How long an archived log is, its last byte alone tells for sure.
  const watch = (bytes: LogBytes) => progress.watch(bytes, archived ? undefined : size);
  const summary = await summarizeLog(watch(bytes));
  return {
    ...target,
    archived,
    summary,
    open: async () => watch((await openLog(context.files, target.file)).bytes),
  };
}

/** Piece by piece: the events of a log of 2 GiB would not fit into memory as one text. */
async function writeJson(
  inspected: Inspected,
  filter: RecordFilter | undefined,
  { context: { stdout }, options }: Inspect,
): Promise<void> {
  const { path, summary } = inspected;
  const head = {
    schema_version: 1,
    path,
    job_id: jobIdOf(inspected) ?? null,
    execution: summary.execution?.execution ?? null,
  };
  await stdout.write(`${toJson(head).slice(0, -1)},"records":[`);
  let separator = "";
  await eachText(inspected, filter, stdout, (row) => {
    const text = separator + toJson(recordJson(row, options.payload ?? false));
    separator = ",";
    return text;
  });
  const { pending, sent, failed, damage } = summary;
  const tail = {
    pending,
    sent,
    failed,
    problem: damage?.problem ?? null,
    problem_offset: damage?.offset ?? null,
  };
  await stdout.write(`],${toJson(tail).slice(1)}\n`);
}

async function writeRecords(
  inspected: Inspected,
  filter: RecordFilter | undefined,
  { context: { stdout, stderr }, options, style }: Inspect,
): Promise<void> {
  await stdout.write(renderRecordHeader(style));
  const shownCount = await eachText(inspected, filter, stdout, (row) => {
    return renderRecord(row, style) + (options.payload ? renderPayload(row.payload, style) : "");
  });
  if (filter === undefined) return;
  await stdout.flush();
  const { events } = inspected.summary;
  await stderr.write(`${counted(shownCount, "event")} of ${events}\n`);
  await stderr.flush();
}

/**
 * A million events are written in some thousand pieces: one wait for each would cost more than the rest of
 * the work.
 */
const PIECE_CHARACTERS = 16 * 1024;

/** Writes what `render` makes of each event that the filter lets through, and returns how many there were. */
async function eachText(
  { summary, open }: Inspected,
  filter: RecordFilter | undefined,
  stdout: Output,
  render: (row: EventRow) => string,
): Promise<number> {
  const countMax = filter?.countMax ?? Infinity;
  let count = 0;
  let piece = "";
  if (countMax > 0) {
    await readEvents(await open(), summary, (row) => {
      if (filter !== undefined && !filter.matches(row)) return;
      piece += render(row);
      if (++count === countMax) return "enough";
      if (piece.length < PIECE_CHARACTERS) return;
      const full = piece;
      piece = "";
      return stdout.write(full);
    });
  }
  await stdout.write(piece);
  return count;
}

async function screenOf(inspected: Inspected, { files, clock }: Context): Promise<InspectScreen> {
  const { path, file, archived, summary } = inspected;
  const { execution, ledger: _ledger, marks: _marks, ...rest } = summary;
  // The token goes no further than this line.
  const { task_token: _secret, ...shownExecution } = execution ?? {};
  return {
    ...rest,
    path,
    archived,
    fileBytes: (await files.stat(file)).size,
    jobId: jobIdOf(inspected),
    execution: execution && shownExecution as InspectScreen["execution"],
    owner: path === "-" || archived ? undefined : await ownerOf(files, file),
    nowMs: clock.nowMs(),
  };
}

function jobIdOf({ path, summary }: Inspected): string | undefined {
  return summary.execution?.job_id ?? readFileName(basename(path))?.job?.jobId;
}
