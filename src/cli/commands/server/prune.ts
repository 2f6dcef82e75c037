/**
 * `airunner server prune`: deletes jobs beyond the limits now, or shows which would go. A server that runs
 * does the same by itself, once it has the limits.
 */
import type { RETENTION_SETTINGS } from "../../../config/server_settings.ts";
import { SETTINGS } from "../../../config/settings.ts";
import { isUnlimited } from "../../../server/retention/policy.ts";
import { Pruner } from "../../../server/retention/pruner.ts";
import { isLocked } from "../../../server/store/sqlite/database_lock.ts";
import { openSqliteStore } from "../../../server/store/sqlite/open_store.ts";
import { planPrune } from "../../../server/store/sqlite/upkeep/prune_plan.ts";
import { toJson } from "../../../platform/json.ts";
import { counted, formatBytes, shellWord } from "../../../platform/text.ts";
import type { Call } from "../../call.ts";
import { CommandError, UsageError } from "../../command_error.ts";
import { ExitCode } from "../../../screens/exit_code.ts";
import { pruneJson, renderPlan } from "../../../screens/prune_screen.ts";
import { retentionPolicy } from "../../../setup/retention_policy.ts";
import { confirm } from "../../terminal/confirm.ts";

type Prune = Call<
  [],
  { dryRun?: true; yes?: true; json?: true },
  "data" | (typeof RETENTION_SETTINGS)[number]
>;

export async function run(call: Prune): Promise<number> {
  const { context, options, settings, style } = call;
  const { stdout, stderr } = context;
  const { data } = settings;
  const policy = retentionPolicy(settings);
  if (isUnlimited(policy)) {
    throw new UsageError(
      "Cannot prune without a limit: give --retain-jobs, --retain-queues or --retain-bytes",
    );
  }
  const canAsk = context.stdinIsTerminal && stderr.isTerminal;
  if (!options.dryRun && !options.yes && !canAsk) {
    throw new UsageError(
      "Nothing was deleted: there is no terminal to ask on. Add --yes to delete, or --dry-run to look",
    );
  }
  const plan = planPrune(data, policy, context.clock.nowMs());
  const jobs = plan.byReason.age + plan.byReason.bytes;
  if (!options.json) await stdout.write(renderPlan(data, plan, context.clock.nowMs(), style));
  let deleted: { jobs: number; bytes: number } | undefined;
  if (!options.dryRun && jobs > 0) {
    await refuseBesideServer(call);
    if (options.yes || await confirm(context, `Delete ${counted(jobs, "job")}?`)) deleted = await prune(call);
    else await stdout.write("Nothing was deleted\n");
  }
  if (options.json) {
    await stdout.write(toJson(pruneJson(data, plan, options.dryRun ?? false, deleted)) + "\n");
  } else if (deleted) {
    await stdout.write(
      `Deleted ${counted(deleted.jobs, "job")} with ${formatBytes(deleted.bytes)} of events\n`,
    );
  }
  return ExitCode.DONE;
}

/** Two processes must not write to one file; see `read_only.ts`. */
async function refuseBesideServer({ context, settings }: Prune): Promise<void> {
  if (!await isLocked(context.files, settings.data)) return;
  throw new CommandError(
    `Cannot prune ${settings.data}: a server runs on it, and only that server may change it. Nothing was deleted.`,
    ExitCode.FAILED,
    "Restart the server with these limits, and it deletes by itself, a little at a time:\n" +
      `  airunner server --data=${shellWord(settings.data)} ${limitFlags(settings)}`,
  );
}

function limitFlags({ retainJobs, retainQueues, retainBytes }: Prune["settings"]): string {
  const flags = {
    "--retain-jobs": retainJobs === undefined ? undefined : SETTINGS.retainJobs.type.format(retainJobs),
    "--retain-queues": retainQueues === undefined
      ? undefined
      : SETTINGS.retainQueues.type.format(retainQueues),
    "--retain-bytes": retainBytes === undefined ? undefined : SETTINGS.retainBytes.type.format(retainBytes),
  };
  return Object.entries(flags).filter(([, text]) => text !== undefined)
    .map(([flag, text]) => `${flag}=${shellWord(text!)}`).join(" ");
}

async function prune({ context, settings, logger }: Prune): Promise<{ jobs: number; bytes: number }> {
  const store = await openSqliteStore(settings.data, { host: context, logger });
  const pruner = new Pruner({
    store,
    policy: retentionPolicy(settings),
    clock: context.clock,
    logger,
    wake: () => {},
  });
  // What is deleted by then stays deleted, and what is left of the last job the next start deletes.
  const release = context.signals.take(() => pruner.stop());
  try {
    const deleted = await pruner.prune();
    await pruner.reclaim();
    return deleted;
  } finally {
    release();
    await store.close();
  }
}
