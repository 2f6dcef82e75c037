/**
 * `airunner wal recover`: saves what is still right in a damaged log or archive into a new log.
 */
import { logName, logNames, readFileName } from "../../../wal/file_names.ts";
import { type Files, isMissing } from "../../../platform/files.ts";
import { fileName, parentDirectory } from "../../../platform/path_names.ts";
import type { Occupant } from "../../../platform/publish_file.ts";
import { type LogBytes, readLogFile } from "../../../wal/reader.ts";
import { planRepair, repairedBytes, type RepairPlan } from "../../../wal/repair.ts";
import { writeWholeFile } from "../../../wal/whole_file.ts";
import type { Call } from "../../call.ts";
import { CommandError } from "../../command_error.ts";
import { ExitCode } from "../../../screens/exit_code.ts";
import { toJson } from "../../../platform/json.ts";
import { findLog } from "./log_target.ts";
import type { Context } from "../../context.ts";
import { quarantinedLogs } from "../../../survey/locate.ts";
import { cannotRead } from "./cannot_read.ts";
import { describeRecovered, lastSequenceOf, type RecoveredLog } from "../../../survey/recovered.ts";
import { renderRecover } from "../../../screens/recover_screen.ts";
import { shellWord, shown } from "../../../platform/text.ts";
import { writerOf } from "../../../survey/log_owner.ts";
import { type DamagedSource, openDamaged } from "../../../survey/damaged_source.ts";

type Recover = Call<
  [string],
  { dryRun?: true; output?: string; json?: true },
  "walDir" | "archiveDir"
>;

export async function run({ context, args: [target], options, settings, style }: Recover): Promise<number> {
  const { stdout } = context;
  const path = await locateDamaged(context, target, settings);
  const owner = await writerOf(context.files, path);
  if (owner !== undefined) {
    throw new CommandError(
      `Cannot recover ${path}: process ${owner} is writing it. Nothing was changed; a record that is half written just now ` +
        "is no damage.",
      ExitCode.FAILED,
      `Next: airunner wal verify ${shellWord(path)}`,
    );
  }
  const source = await openDamaged(context.files, path);
  let found: Found;
  try {
    const holes = () => source.holes;
    const plan = await planRepair(source.open, { lastSequenceOf, holes });
    // Told as often as the file was read, and the plan read it all the first time.
    const archiveProblems = [...new Set(source.problems)];
    const log = await describeRecovered(repairedBytes(source.open, plan), plan.serverHas);
    found = { path, plan, archiveProblems, log };
  } catch (error) {
    throw cannotRead(path, error);
  }
  const { plan, archiveProblems } = found;
  const isWhole = plan.damaged.length === 0 && archiveProblems.length === 0;
  const written = isWhole || options.dryRun || plan.records === 0
    ? undefined
    : await write(context.files, found, source, options.output, settings.walDir);
  if (options.json) {
    await stdout.write(toJson(recoverJson(found, written?.path, options.dryRun ?? false)) + "\n");
  } else if (isWhole) {
    await stdout.write(`${shown(path)} is whole: there is nothing to recover\n`);
  } else {
    const screen = { ...plan, path, archiveProblems, log: found.log, output: written?.path };
    await stdout.write(
      renderRecover(
        { ...screen, wasThere: written?.isNew === false, dryRun: options.dryRun ?? false },
        style,
      ),
    );
  }
  if (plan.records === 0 && !isWhole && !options.dryRun) {
    throw new CommandError(
      `Nothing could be saved from ${path}: not one whole record is in it. The file was not changed.`,
      ExitCode.FAILED,
      "Restore it from a backup if there is one.",
    );
  }
  return ExitCode.DONE;
}

interface Found {
  readonly path: string;
  readonly plan: RepairPlan;
  readonly archiveProblems: readonly string[];
  readonly log: RecoveredLog;
}

/** For a job's id: its log that was set aside, which is the one that needs it, or else its log or archive. */
async function locateDamaged(
  context: Context,
  target: string,
  directories: Recover["settings"],
): Promise<string> {
  const quarantined = target.includes("/")
    ? []
    : await quarantinedLogs(context.files, target, directories.walDir);
  if (quarantined.length === 0) return await findLog(context, target, directories);
  if (quarantined.length === 1) return quarantined[0];
  throw new CommandError(
    `Job ${target} has ${quarantined.length} damaged logs. Nothing was changed; name the one to recover:`,
    ExitCode.USAGE,
    quarantined.map((path) => `  airunner wal recover ${shellWord(path)}`).join("\n"),
  );
}

async function write(
  files: Files,
  { path, plan, log }: Found,
  { open, isArchive }: DamagedSource,
  output: string | undefined,
  walDir: string,
): Promise<{ path: string; isNew: boolean }> {
  const directory = output !== undefined
    ? parentDirectory(output)
    : isArchive
    ? walDir
    : parentDirectory(path);
  const names = output !== undefined ? [fileName(output)] : namesFor(path, log);
  try {
    return await writeWholeFile({
      files,
      directory,
      names,
      bytes: repairedBytes(open, plan),
      look: (existing) => lookAt(files, existing, repairedBytes(open, plan)),
    });
  } catch (error) {
    throw new CommandError(
      `Cannot write the recovered log into ${directory}: ${
        (error as Error).message
      }. The damaged file was not changed.`,
      ExitCode.FAILED,
      "Choose another place with --output=FILE.",
      { cause: error },
    );
  }
}

async function lookAt(files: Files, path: string, bytes: LogBytes): Promise<Occupant> {
  const { haveSameBytes } = await import("../../../archive/log_content.ts");
  try {
    return await haveSameBytes(readLogFile(files, path), bytes) ? "same" : "different";
  } catch (error) {
    if (isMissing(error)) return "nothing";
    throw error;
  }
}

/**
 * A log keeps its job's name, so that whoever looks for the job finds it; the worker of this machine takes it
 * up by that name.
 */
function namesFor(path: string, { execution }: RecoveredLog): Iterable<string> {
  const jobId = readFileName(fileName(path))?.job?.jobId ?? execution?.job_id;
  try {
    if (jobId !== undefined) {
      logName(jobId);
      return logNames(jobId);
    }
  } catch (error) {
    // Not an id that makes a safe name.
    if (!(error instanceof RangeError)) throw error;
  }
  throw new CommandError(
    `Cannot name the log recovered from ${path}: neither the file's name nor its records say which job it is of. ` +
      "Nothing was changed.",
    ExitCode.USAGE,
    `Next: airunner wal recover --output=FILE ${shellWord(path)}`,
  );
}

function recoverJson(
  { path, plan, archiveProblems, log }: Found,
  output: string | undefined,
  dryRun: boolean,
) {
  return {
    schema_version: 1,
    path,
    dry_run: dryRun,
    whole: plan.damaged.length === 0 && archiveProblems.length === 0,
    output: output ?? null,
    job_id: log.execution?.job_id ?? null,
    execution: log.execution?.execution ?? null,
    replayable: log.execution?.task_token !== undefined,
    damaged: plan.damaged.map(({ problem, offset, length }) => ({ problem, offset, bytes: length })),
    archive_problems: archiveProblems,
    records: plan.records,
    salvaged_records: plan.salvaged,
    distrusted_records: plan.distrusted,
    mended_records: plan.mended,
    unproven_acknowledgements: plan.unproven,
    orphaned_failures: plan.orphaned,
    events: log.events,
    pending: log.pending,
    sent: log.sent,
    failed: log.failed,
    lost: log.lost.map(({ first, last, serverHasThem }) => ({
      first_sequence: first,
      last_sequence: last,
      server_has_them: serverHasThem,
    })),
    ended: log.hasEnd,
  };
}
