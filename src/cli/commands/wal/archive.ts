/**
 * `airunner wal archive`: compresses logs now, whether the server has everything or not. What is unsent stays
 * replayable.
 */
import { archiveLog } from "../../../archive/archiver.ts";
import type { Logger } from "../../../platform/logging/logger.ts";
import { LogLockedError, LogQuarantinedError } from "../../../wal/errors.ts";
import { Log } from "../../../wal/log.ts";
import type { Call } from "../../call.ts";
import type { Context } from "../../context.ts";
import { CommandError, UsageError } from "../../command_error.ts";
import { messageOf } from "../../../platform/error_text.ts";
import { nextStep } from "../../next_step.ts";
import { ExitCode } from "../../../screens/exit_code.ts";
import { toJson } from "../../../platform/json.ts";
import { isUncompleted } from "../../../wal/completion.ts";
import { openLog } from "../../../survey/open_log.ts";
import { summarizeLog } from "../../../survey/summary.ts";
import { quietLogger } from "../../../platform/logging/quiet.ts";
import { counted, formatBytes, formatNext, shellWord, shown } from "../../../platform/text.ts";
import { allTargets, findTargets } from "../../../survey/targets.ts";

type Archive = Call<
  [string[]],
  { all?: true; dryRun?: true; json?: true },
  "walDir" | "archiveDir" | "compressionLevel"
>;

interface Archived {
  readonly path: string;
  /** `in_use`: a worker is writing it. */
  readonly outcome: "archived" | "would_archive" | "in_use" | "damaged" | "failed";
  readonly archivePath?: string;
  readonly rawBytes?: number;
  readonly archiveBytes?: number;
  /** Events that the server is not known to have. */
  readonly unsent?: number;
  /** The server has every event, and not how the job ended. */
  readonly isUncompleted?: boolean;
  readonly message?: string;
}

export async function run(call: Archive): Promise<number> {
  const { context, args: [words], options, settings, style } = call;
  const { stdout, stderr } = context;
  if ((words.length === 0) === (options.all === undefined)) {
    throw new UsageError("Cannot archive: name the jobs, or give --all for every log", undefined);
  }
  const targets = options.all
    ? (await allTargets(context.files, settings)).filter(({ kind }) => kind === "log")
    : await findTargets(context.files, words, ["log"], settings);
  const results: Archived[] = [];
  for (const { path, kind } of targets) {
    if (kind === "archive") throw new UsageError(`Cannot archive ${path}: it is an archive`);
    const result = await archiveOne(path, call);
    results.push(result);
    if (result.message !== undefined) await stderr.write(shown(result.message) + "\n");
    else if (!options.json) await stdout.write(archivedLine(result));
    await stdout.flush();
    await stderr.flush();
  }
  if (options.json) await stdout.write(toJson(archiveJson(results, options.dryRun ?? false)) + "\n");
  else await stdout.write(totalsLine(results, settings.walDir) + formatNext(nextSteps(results), style));
  // With --all, a log that is being written is where it belongs.
  const isFine = ({ outcome }: Archived) =>
    outcome === "archived" || outcome === "would_archive" || (outcome === "in_use" && options.all);
  return results.every(isFine) ? ExitCode.DONE : ExitCode.FAILED;
}

async function archiveOne(path: string, { context, options, settings, logger }: Archive): Promise<Archived> {
  try {
    const { logBytes, pending, failed, exitCode, completion } = await summarizeLog(
      (await openLog(context.files, path)).bytes,
    );
    const unsent = pending + failed;
    if (options.dryRun) {
      return {
        path,
        outcome: "would_archive",
        rawBytes: logBytes,
        unsent,
        isUncompleted: isUncompleted({ pending, completion }),
      };
    }
    const { archiveDir, compressionLevel: level } = settings;
    const request = { files: context.files, logPath: path, archiveDir, level, logger: quietLogger(logger) };
    const how = { ...request, ended: exitCode !== undefined, exitCode };
    let result = await archiveLog(how);
    if (result.outcome === "damaged") {
      await cutTornTail(context, path, logger);
      result = await archiveLog(how);
    }
    if (result.outcome === "damaged") {
      const { problem, offset } = result.damage;
      throw new CommandError(`Cannot archive ${path}: ${problem} at byte ${offset}. It stays where it is.`);
    }
    const { archivePath, summary } = result;
    const { size } = await context.files.stat(archivePath);
    return {
      path,
      outcome: "archived",
      archivePath,
      rawBytes: summary.raw_bytes,
      archiveBytes: size,
      unsent: summary.pending + summary.failed,
      isUncompleted: isUncompleted(summary),
    };
  } catch (error) {
    return failure(path, error);
  }
}

/**
 * What a crash left at the end is cut, as by every start of a worker; other damage sets the log aside and
 * throws.
 */
async function cutTornTail({ files, clock }: Context, path: string, logger: Logger): Promise<void> {
  await (await Log.open(path, { files, clock, logger: quietLogger(logger) })).close();
}

function failure(path: string, error: unknown): Archived {
  if (error instanceof LogLockedError) {
    const owner = error.ownerPid === undefined ? "another process" : `process ${error.ownerPid}`;
    const message =
      `Left alone: ${path} is being written by ${owner}, which archives it when its job is done`;
    return { path, outcome: "in_use", message };
  }
  const outcome = error instanceof LogQuarantinedError ? "damaged" : "failed";
  const message = [messageOf(error), nextStep(error)].filter((text) => text !== undefined).join(" ");
  return { path, outcome, message };
}

function archivedLine(
  { path, archivePath, rawBytes = 0, archiveBytes, unsent = 0, isUncompleted = false }: Archived,
): string {
  const unfinished = isUncompleted ? "; job not completed, which wal replay still can" : "";
  const replayable = (unsent > 0 ? `; ${counted(unsent, "event")} not sent, still replayable` : "") +
    unfinished;
  if (archivePath === undefined) {
    return `Would archive ${shown(path)}: ${formatBytes(rawBytes)}${replayable}\n`;
  }
  const sizes = `${formatBytes(rawBytes)} to ${formatBytes(archiveBytes ?? 0)}`;
  return `Archived ${shown(archivePath)}: ${sizes}${replayable}\n`;
}

function totalsLine(results: readonly Archived[], walDir: string): string {
  if (results.length === 0) return `Nothing to archive: no log in ${shown(walDir)}\n`;
  const archived = results.filter(({ outcome }) => outcome === "archived");
  if (archived.length === 0) {
    return results.some(({ outcome }) => outcome === "would_archive") ? "" : "Nothing was archived\n";
  }
  return `${counted(archived.length, "log")} archived, ${formatBytes(savedBytes(archived))} saved\n`;
}

/** A tiny log can grow by being compressed. */
function savedBytes(archived: readonly Archived[]): number {
  const saved = archived.reduce(
    (sum, { rawBytes = 0, archiveBytes = 0 }) => sum + rawBytes - archiveBytes,
    0,
  );
  return Math.max(0, saved);
}

function nextSteps(results: readonly Archived[]): [string, string][] {
  const unsent = results.filter(({ archivePath, unsent = 0, isUncompleted }) =>
    archivePath !== undefined && (unsent > 0 || isUncompleted)
  );
  if (unsent.length === 0) return [];
  const target = unsent.length === 1 ? shown(shellWord(unsent[0].archivePath!)) : "--all";
  const what = unsent.some(({ isUncompleted }) => isUncompleted)
    ? "sends what the server lacks, and tells it how jobs ended"
    : "sends what the server lacks";
  return [[`airunner wal replay ${target}`, what]];
}

function archiveJson(results: readonly Archived[], dryRun: boolean) {
  return {
    schema_version: 1,
    dry_run: dryRun,
    logs: results.map((
      { path, outcome, archivePath, rawBytes, archiveBytes, unsent, isUncompleted, message },
    ) => ({
      path,
      outcome,
      archive: archivePath ?? null,
      raw_bytes: rawBytes ?? null,
      archive_bytes: archiveBytes ?? null,
      unsent: unsent ?? null,
      uncompleted: isUncompleted ?? null,
      error: message ?? null,
    })),
    saved_bytes: savedBytes(results.filter(({ outcome }) => outcome === "archived")),
  };
}
