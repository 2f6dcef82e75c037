/**
 * `airunner wal cleanup`: deletes old archives of which the server has everything.
 */
import {
  applyRetention,
  planRetention,
  readRetentionEntries,
  type RetentionPlan,
} from "../../archive/retention.ts";
import { duration } from "../../config/value_type.ts";
import { silentLogger } from "../../platform/logger.ts";
import type { Call } from "../call.ts";
import { CommandError, UsageError } from "../command_error.ts";
import { confirm } from "../confirm.ts";
import { ExitCode } from "../exit_code.ts";
import { toJson } from "../json.ts";
import {
  type CleanupFile,
  type CleanupScreen,
  renderCleanupPlan,
  totalBytes,
} from "../render/cleanup_screen.ts";
import { counted, formatBytes, shown } from "../render/text.ts";

type Cleanup = Call<
  [],
  { olderThan: string; dryRun?: true; yes?: true; json?: true },
  "archiveDir"
>;

const AGES = duration(0, 100 * 365 * 86_400_000);

export async function run({ context, options, settings: { archiveDir }, style }: Cleanup): Promise<number> {
  const { stdout, stderr } = context;
  const olderThanMs = AGES.parse(options.olderThan);
  if (olderThanMs === undefined) {
    throw new UsageError(
      `Cannot read --older-than: expected ${AGES.expected}, found ${JSON.stringify(options.olderThan)}`,
    );
  }
  // Deleting without being asked back has to be said in so many words.
  const canAsk = context.stdinIsTerminal && stderr.isTerminal;
  if (!options.dryRun && !options.yes && !canAsk) {
    throw new UsageError(
      "Nothing was deleted: there is no terminal to ask on. Add --yes to delete, or --dry-run to look",
    );
  }
  const nowMs = context.clock.nowMs();
  const policy = { olderThanMs };
  const plan = planRetention(
    await Array.fromAsync(readRetentionEntries(archiveDir, policy, nowMs)),
    policy,
    nowMs,
  );
  const screen = screenOf(plan, archiveDir, options.olderThan, nowMs);
  if (!options.json) await stdout.write(renderCleanupPlan(screen, style));
  const agreed = screen.going.length > 0 && !options.dryRun &&
    (options.yes || await confirm(context, `Delete ${counted(screen.going.length, "archive")}?`));
  // Each file was shown or is in the JSON document; log lines about them would say it twice.
  const result = agreed ? await applyRetention(plan, { logger: silentLogger }) : undefined;
  const failures = result?.failures ?? [];
  if (options.json) await stdout.write(toJson(cleanupJson(screen, result, options.dryRun ?? false)) + "\n");
  else if (result) {
    await stdout.write(
      `Deleted ${counted(result.deleted, "archive")}, ${formatBytes(result.deletedBytes)} free\n`,
    );
  } else if (screen.going.length > 0) await stdout.write("Nothing was deleted\n");
  for (const { entry, error } of failures) {
    await stderr.write(`Cannot delete ${shown(entry.path)}: ${shown((error as Error).message)}\n`);
  }
  if (failures.length > 0) {
    throw new CommandError(`${counted(failures.length, "archive")} could not be deleted; try again.`);
  }
  return ExitCode.DONE;
}

function screenOf(plan: RetentionPlan, archiveDir: string, olderThan: string, nowMs: number): CleanupScreen {
  const file = ({ entry }: RetentionPlan["delete" | "keep"][number]): CleanupFile => ({
    path: entry.path,
    bytes: entry.bytes,
    sinceMs: entry.ageBasisMs,
  });
  const oldestFirst = (one: CleanupFile, other: CleanupFile) => one.sinceMs - other.sinceMs;
  const kept = plan.keep.flatMap((item) =>
    item.reason === "young" ? [] : [{ ...file(item), why: item.reason }]
  );
  return {
    archiveDir,
    olderThan,
    going: plan.delete.map(file).sort(oldestFirst),
    kept: kept.sort(oldestFirst),
    young: plan.keep.length - kept.length,
    nowMs,
  };
}

function cleanupJson(
  { archiveDir, going, kept, young }: CleanupScreen,
  result: { deleted: number; deletedBytes: number; failures: readonly unknown[] } | undefined,
  dryRun: boolean,
) {
  return {
    schema_version: 1,
    archive_dir: archiveDir,
    dry_run: dryRun,
    candidates: going.map(({ path, bytes, sinceMs }) => ({ path, bytes, last_event_ms: sinceMs })),
    candidate_bytes: totalBytes(going),
    kept: kept.map(({ path, bytes, why }) => ({ path, bytes, reason: why })),
    young,
    deleted: result?.deleted ?? 0,
    deleted_bytes: result?.deletedBytes ?? 0,
    failures: result?.failures.length ?? 0,
  };
}
