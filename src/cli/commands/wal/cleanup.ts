/**
 * `airunner wal cleanup`: deletes old archives of which the server has everything, and others only when their
 * job ids are typed.
 */
import { DAY_MS } from "../../../platform/time_units.ts";
import {
  applyRetention,
  planRetention,
  readRetentionEntries,
  type RetentionPlan,
  type RetentionPolicy,
  type RetentionResult,
} from "../../../archive/retention.ts";
import { duration, integer, size, type ValueType } from "../../../config/value_type.ts";
import { silentLogger } from "../../../platform/logging/logger.ts";
import type { Call } from "../../call.ts";
import { CommandError, UsageError } from "../../command_error.ts";
import { ask, confirm } from "../../terminal/confirm.ts";
import { ExitCode } from "../../../screens/exit_code.ts";
import { toJson } from "../../../platform/json.ts";
import {
  type CleanupFile,
  type CleanupScreen,
  type GoingFile,
  renderCleanupPlan,
  totalBytes,
  WHY,
} from "../../../screens/cleanup_screen.ts";
import { counted, formatBytes, shown } from "../../../platform/text.ts";

interface Options {
  olderThan?: string;
  maxBytes?: string;
  keep?: string;
  includeUnsent?: true;
  confirm: string[];
  dryRun?: true;
  yes?: true;
  json?: true;
}

type Cleanup = Call<[], Options, "archiveDir">;

const AGES = duration(0, 100 * 365 * DAY_MS);

export async function run(call: Cleanup): Promise<number> {
  const { context, options, settings: { archiveDir }, style } = call;
  const { stdout, stderr } = context;
  const policy = policyOf(options);
  // Deleting without being asked back has to be said in so many words.
  const canAsk = context.stdinIsTerminal && stderr.isTerminal;
  if (!options.dryRun && !options.yes && !canAsk) {
    throw new UsageError(
      "Nothing was deleted: there is no terminal to ask on. Add --yes to delete, or --dry-run to look",
    );
  }
  const nowMs = context.clock.nowMs();
  const planned = planRetention(
    await Array.fromAsync(readRetentionEntries(context.files, archiveDir, policy, nowMs)),
    policy,
    nowMs,
  );
  const screen = screenOf(planned, archiveDir, ruleOf(options), nowMs);
  if (!options.json) await stdout.write(renderCleanupPlan(screen, style));
  const agreed = options.dryRun ? undefined : await agree(call, planned, screen, canAsk);
  // Each file was shown or is in the JSON document; log lines about them would say it twice.
  const result = agreed && await applyRetention(agreed, { files: context.files, logger: silentLogger });
  if (options.json) await stdout.write(toJson(cleanupJson(screen, result, options.dryRun ?? false)) + "\n");
  else if (result) {
    await stdout.write(
      `Deleted ${counted(result.deleted, "archive")}, ${formatBytes(result.deletedBytes)} free\n`,
    );
  } else if (screen.going.length > 0) await stdout.write("Nothing was deleted\n");
  const failures = result?.failures ?? [];
  for (const { entry, error } of failures) {
    await stderr.write(`Cannot delete ${shown(entry.path)}: ${shown((error as Error).message)}\n`);
  }
  if (failures.length > 0) {
    throw new CommandError(`${counted(failures.length, "archive")} could not be deleted; try again.`);
  }
  return ExitCode.DONE;
}

function policyOf({ olderThan, maxBytes, keep, includeUnsent, confirm }: Options): RetentionPolicy {
  if (olderThan === undefined && maxBytes === undefined && keep === undefined) {
    throw new UsageError("Cannot clean up without a limit: give --older-than, --max-bytes or --keep");
  }
  if (confirm.length > 0 && !includeUnsent) {
    throw new UsageError(
      "--confirm is for archives with unsent events: add --include-unsent, or leave it out",
    );
  }
  const ages = olderThan === undefined ? undefined : parse(AGES, "--older-than", olderThan);
  return {
    // With --keep alone, everything but the newest goes.
    olderThanMs: ages ?? (maxBytes === undefined ? 0 : Infinity),
    bytesMax: maxBytes === undefined ? undefined : parse(size(0), "--max-bytes", maxBytes),
    keepNewest: keep === undefined ? undefined : parse(integer(0, 1_000_000_000), "--keep", keep),
    includeUnsent,
  };
}

function parse<T>(type: ValueType<T>, option: string, text: string): T {
  const value = type.parse(text);
  if (value !== undefined) return value;
  throw new UsageError(`Cannot read ${option}: expected ${type.expected}, found ${JSON.stringify(text)}`);
}

function ruleOf({ olderThan, maxBytes, keep }: Options): string {
  const rules = [
    ...(olderThan === undefined ? [] : [`older than ${olderThan}`]),
    ...(maxBytes === undefined ? [] : [`beyond ${maxBytes} in all`]),
  ];
  const newest = keep === undefined ? "" : ` not among the newest ${keep}`;
  return rules.length === 0 ? newest.trim() : rules.join(" or ") + (newest && ` and${newest}`);
}

/** What is left of the plan after the questions; undefined when nothing is. */
async function agree(
  { context, options }: Cleanup,
  plan: RetentionPlan,
  { going }: CleanupScreen,
  canAsk: boolean,
): Promise<RetentionPlan | undefined> {
  const paths = new Set<string>();
  const sent = going.filter(({ lost }) => lost === undefined);
  if (
    sent.length > 0 && (options.yes || await confirm(context, `Delete ${counted(sent.length, "archive")}?`))
  ) {
    for (const { path } of sent) paths.add(path);
  }
  for (const file of going) {
    if (file.lost !== undefined && await isConfirmed(context, options, file, canAsk)) paths.add(file.path);
  }
  if (paths.size === 0) return undefined;
  return { ...plan, delete: plan.delete.filter(({ entry }) => paths.has(entry.path)) };
}

/** What the server lacks is gone for good with its archive, so `--yes` does not count here. */
async function isConfirmed(
  context: Cleanup["context"],
  { confirm }: Options,
  { path, jobId, lost }: GoingFile,
  canAsk: boolean,
): Promise<boolean> {
  if (confirm.includes(jobId)) return true;
  const why = WHY[lost ?? "unknown"];
  if (canAsk && confirm.length === 0) {
    return await ask(context, `${shown(path)}: ${why}. Type the job id to delete it: `) === jobId;
  }
  await context.stderr.write(`Kept ${shown(path)}: ${why}. To delete it, add --confirm=${shown(jobId)}\n`);
  return false;
}

function screenOf(plan: RetentionPlan, archiveDir: string, rule: string, nowMs: number): CleanupScreen {
  const file = ({ entry }: RetentionPlan["delete" | "keep"][number]): CleanupFile => ({
    path: entry.path,
    bytes: entry.bytes,
    sinceMs: entry.ageBasisMs,
  });
  const oldestFirst = (one: CleanupFile, other: CleanupFile) => one.sinceMs - other.sinceMs;
  const kept = plan.keep.flatMap((item) =>
    item.reason === "young" || item.reason === "newest" ? [] : [{ ...file(item), why: item.reason }]
  );
  const going = plan.delete.map((item) => ({ ...file(item), jobId: item.entry.jobId, lost: item.lost }));
  return {
    archiveDir,
    rule,
    going: going.sort(oldestFirst),
    kept: kept.sort(oldestFirst),
    young: plan.keep.length - kept.length,
    nowMs,
  };
}

function cleanupJson(
  { archiveDir, going, kept, young }: CleanupScreen,
  result: RetentionResult | undefined,
  dryRun: boolean,
) {
  return {
    schema_version: 1,
    archive_dir: archiveDir,
    dry_run: dryRun,
    candidates: going.map(({ path, bytes, sinceMs, lost }) => ({
      path,
      bytes,
      last_event_ms: sinceMs,
      unsent: lost ?? null,
    })),
    candidate_bytes: totalBytes(going),
    kept: kept.map(({ path, bytes, why }) => ({ path, bytes, reason: why })),
    young,
    deleted: result?.deleted ?? 0,
    deleted_bytes: result?.deletedBytes ?? 0,
    failures: result?.failures.length ?? 0,
  };
}
