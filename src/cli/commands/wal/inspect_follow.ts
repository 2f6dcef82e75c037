/**
 * `wal inspect --follow`: the events of a log, then those that its worker appends, until nobody writes to it
 * any more.
 */
import { fileName } from "../../../platform/path_names.ts";
import { archiveName } from "../../../wal/file_names.ts";
import { decodeFailure } from "../../../wal/execution.ts";
import type { WalRecord } from "../../../wal/format.ts";
import type { Ledger } from "../../../wal/ledger.ts";
import type { Damage } from "../../../wal/scanner.ts";
import { CommandError } from "../../command_error.ts";
import type { Context } from "../../context.ts";
import { toJson } from "../../../platform/json.ts";
import { type EventRow, eventRow, readEvents, summarizeLog } from "../../../survey/summary.ts";
import { quarantinedFrom } from "../../../survey/locate.ts";
import { isFile } from "../../../survey/directory.ts";
import { watchLog } from "../../../survey/watch_log.ts";
import { LogTail } from "../../../survey/tail.ts";
import type { RecordFilter } from "../../options/record_filter.ts";
import { recordJson } from "../../../screens/record_json.ts";
import { renderNotice, renderRecord, renderRecordHeader } from "../../../screens/inspect_screen.ts";
import { renderPayload } from "../../../screens/payload_lines.ts";
import { counted, shellWord, shown, type Style } from "../../../platform/text.ts";
import type { Files } from "../../../platform/files.ts";

export interface FollowOptions {
  readonly path: string;
  readonly archiveDir: string;
  readonly filter: RecordFilter | undefined;
  readonly json: boolean;
  readonly payload: boolean;
  readonly style: Style;
}

/** Resolves when the log has ended, or `--limit` is reached. @throws CommandError when it is damaged */
export async function followRecords(
  context: Pick<Context, "files" | "stdout" | "stderr" | "clock">,
  options: FollowOptions,
): Promise<void> {
  const { path, json, style } = options;
  using tail = await LogTail.open(context.files, path);
  if (!json) await context.stdout.write(renderRecordHeader(style));
  const shower = new RecordShower(context, options);
  const known = await summarizeLog(tail.bytes());
  const { ledger, goodBytes } = known;
  await readEvents(tail.bytes(), known, (row) => shower.show(row));
  tail.skipTo(goodBytes);
  await context.stdout.flush();
  if (shower.isFull) return;
  const ended = await watchLog(context, tail, path, {
    onRecord: (record) => shower.take(record, ledger),
    onTurn: () => context.stdout.flush(),
  });
  if (ended.kind === "enough") return;
  if (ended.kind === "damaged") throw damageError(path, ended.damage);
  await context.stderr.write(await endingLine(context.files, options, tail, ledger, ended.kind));
  await context.stderr.flush();
}

/** Shows the events that were asked for, as many as were asked for. */
class RecordShower {
  #left: number;

  constructor(readonly context: Pick<Context, "stdout">, readonly options: FollowOptions) {
    this.#left = options.filter?.countMax ?? Infinity;
  }

  get isFull(): boolean {
    return this.#left <= 0;
  }

  async show(row: EventRow): Promise<void | "enough"> {
    const { filter, json, payload, style } = this.options;
    if (this.isFull) return "enough";
    if (filter !== undefined && !filter.matches(row)) return;
    this.#left--;
    const { stdout } = this.context;
    if (json) await stdout.write(toJson({ schema_version: 1, ...recordJson(row, payload) }) + "\n");
    else await stdout.write(renderRecord(row, style) + (payload ? renderPayload(row.payload, style) : ""));
    if (this.isFull) return "enough";
  }

  /** An event as it was appended; what became of those before it as a line between them. */
  async take(record: WalRecord, ledger: Ledger): Promise<void | "enough"> {
    const kind = ledger.add(record);
    if (kind === "event") return await this.show(eventRow(record, ledger.statusAt(ledger.events - 1)));
    const { filter, json, style } = this.options;
    // Who filters, or reads JSON, asked for events.
    if (json || filter !== undefined || kind === "execution") return;
    const { stdout } = this.context;
    if (kind === "acknowledgement") {
      await stdout.write(
        renderNotice(`the server has everything up to sequence ${record.sequence}`, style.dim),
      );
    } else {
      const reason = decodeFailure(record.payload);
      const why = reason ? `: ${shown(reason.code)}: ${shown(reason.message)}` : "";
      await stdout.write(renderNotice(`sequence ${record.sequence} failed${why}`, style.bad));
    }
  }
}

async function endingLine(
  files: Files,
  { path, archiveDir }: FollowOptions,
  tail: LogTail,
  ledger: Ledger,
  ended: "moved" | "unowned",
): Promise<string> {
  const unsent = ledger.pending + ledger.failed;
  const sent = unsent === 0 ? "the server has everything" : `${counted(unsent, "event")} not sent`;
  if (ended === "unowned") {
    const next = unsent === 0 ? "" : shown(`Next: airunner wal replay ${shellWord(path)}`) + "\n";
    return shown(`No process is writing to ${path}; ${sent}. What is in it was shown.`) + "\n" + next;
  }
  const archive = `${archiveDir}/${archiveName(fileName(path))}`;
  if (await isFile(files, archive)) {
    return shown(`The log was archived, ${sent}: ${archive}`) + "\n" +
      shown(`Next: airunner wal inspect ${shellWord(archive)}`) + "\n";
  }
  for (const aside of await quarantinedFrom(files, path)) {
    // Earlier logs of this name may have been set aside as well.
    if (!await tail.isAt(aside)) continue;
    throw new CommandError(
      `The log was set aside as damaged: ${aside}. What it held before the damage was shown.`,
      undefined,
      `Next: airunner wal recover --dry-run ${shellWord(aside)}`,
    );
  }
  return shown(`The log is not at ${path} any more; ${sent}. It was moved or deleted.`) + "\n";
}

function damageError(path: string, { problem, offset }: Damage): CommandError {
  return new CommandError(
    `${path} is damaged: ${problem} at offset ${offset}. What comes before it was shown; the log was not changed.`,
    undefined,
    `Next: airunner wal verify ${shellWord(path)}`,
  );
}
