/**
 * `airunner wal inspect`: what is in a log.
 */
import { basename } from "node:path";
import { parseLogName } from "../../wal/log_name.ts";
import type { Call } from "../call.ts";
import { ExitCode } from "../exit_code.ts";
import { toJson } from "../json.ts";
import { locateLog } from "../locate.ts";
import { cannotRead, openLog, spoolStdin } from "../log_source.ts";
import { type LogSummary, oldestUnsentMs, readEvents, summarizeLog } from "../log_summary.ts";
import type { Output } from "../output.ts";
import {
  type InspectScreen,
  renderInspect,
  renderRecord,
  renderRecordHeader,
} from "../render/inspect_screen.ts";
import type { Style } from "../render/text.ts";
import { writerOf } from "../writer.ts";

type Inspect = Call<[string], { json?: true; records?: true }, "walDir" | "archiveDir">;

interface Inspected {
  /** As the user gave it, or where the job's log was found; `-` for standard input. */
  readonly path: string;
  /** Where the bytes are. */
  readonly file: string;
  readonly archived: boolean;
  readonly summary: LogSummary;
}

export async function run({ context, args: [target], options, settings, style }: Inspect): Promise<number> {
  const { path, notes } = target === "-" ? { path: "-", notes: [] } : await locateLog(target, settings);
  for (const note of notes) await context.stderr.write(`${note}\n`);
  await context.stderr.flush();
  const file = path === "-" ? await spoolStdin(context) : path;
  try {
    const { bytes, archived } = await openLog(file);
    const inspected = { path, file, archived, summary: await summarizeLog(bytes) };
    if (options.json) await writeJson(inspected, context.stdout);
    else if (options.records) await writeRecords(inspected, context.stdout, style);
    else await context.stdout.write(renderInspect(await screenOf(inspected, context.clock.nowMs()), style));
  } catch (error) {
    throw cannotRead(path, error);
  }
  return ExitCode.DONE;
}

/** Piece by piece: the events of a log of 2 GiB would not fit into memory as one text. */
async function writeJson(inspected: Inspected, stdout: Output): Promise<void> {
  const { path, file, summary } = inspected;
  const head = {
    schema_version: 1,
    path,
    job_id: jobIdOf(inspected) ?? null,
    execution: summary.execution?.execution ?? null,
  };
  await stdout.write(`${toJson(head).slice(0, -1)},"records":[`);
  let separator = "";
  await readEvents((await openLog(file)).bytes, summary.ledger, async (row) => {
    await stdout.write(
      separator + toJson({
        offset: row.offset,
        length: row.length,
        sequence: row.sequence,
        status: row.status,
        timestamp_ms: row.timestampMs,
        payload_bytes: row.payloadBytes,
        event_type: row.eventType,
      }),
    );
    separator = ",";
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

async function writeRecords({ file, summary }: Inspected, stdout: Output, style: Style): Promise<void> {
  await stdout.write(renderRecordHeader(style));
  await readEvents(
    (await openLog(file)).bytes,
    summary.ledger,
    (row) => stdout.write(renderRecord(row, style)),
  );
}

async function screenOf(inspected: Inspected, nowMs: number): Promise<InspectScreen> {
  const { path, file, archived, summary } = inspected;
  const { execution, ledger, ...rest } = summary;
  // The token goes no further than this line.
  const { task_token: _secret, ...shownExecution } = execution ?? {};
  return {
    ...rest,
    path,
    archived,
    fileBytes: (await Deno.stat(file)).size,
    jobId: jobIdOf(inspected),
    execution: execution && shownExecution as InspectScreen["execution"],
    oldestPendingMs: await oldestUnsentMs(async () => (await openLog(file)).bytes, ledger),
    writerPid: path === "-" || archived ? undefined : await writerOf(file),
    nowMs,
  };
}

function jobIdOf({ path, summary }: Inspected): string | undefined {
  return summary.execution?.job_id ?? parseLogName(basename(path))?.jobId;
}
