/**
 * `airunner wal replay`: sends what the server lacks, from logs and archives.
 */
import type { Call } from "../../call.ts";
import { UsageError } from "../../command_error.ts";
import { ExitCode } from "../../../screens/exit_code.ts";
import { toJson } from "../../../platform/json.ts";
import { Progress } from "../../../screens/progress.ts";
import {
  renderReplayed,
  renderReplayPlan,
  renderReplayTotals,
  replayProblem,
} from "../../../screens/replay_screen.ts";
import {
  type PlannedReplay,
  planReplay,
  type ReplaySelection,
  withAdoption,
  withoutEarlierStates,
} from "../../../replay/plan.ts";
import { ReplayRun, type ReplaySettings, serverOf } from "../../../replay/run.ts";
import { USUAL_BACKOFF } from "../../../setup/backoff.ts";
import { stopSignals } from "../../terminal/stop_signals.ts";
import { allTargets, findTargets } from "../../../survey/targets.ts";
import type { Replayed } from "../../../replay/replayed.ts";

interface Options {
  all?: true;
  dryRun?: true;
  failed?: true;
  resend?: true;
  seq?: string;
  rate?: string;
  json?: true;
}

type Replay = Call<
  [string[]],
  Options,
  | "server"
  | "credential"
  | "requestTimeout"
  | "walDir"
  | "archiveDir"
  | "archiveOnComplete"
  | "adopt"
  | "compressionLevel"
>;

export async function run(call: Replay): Promise<number> {
  const { context, args: [words], options, settings } = call;
  if ((words.length === 0) === (options.all === undefined)) {
    throw new UsageError("Cannot replay: name jobs or files, or give --all for every log and archive");
  }
  const selection = selectionOf(options);
  const eventsPerSecondMax = options.rate === undefined ? undefined : parseRate(options.rate);
  const targets = options.all
    ? await allTargets(context.files, settings)
    : await findTargets(context.files, words, ["log", "archive"], settings);
  const found: PlannedReplay[] = [];
  for (const target of targets) found.push(await planReplay(context.files, target, selection));
  const plans = (await withoutEarlierStates(context.files, found))
    .map((plan) => withAdoption(plan, settings.adopt, serverOf(plan, settings)));
  return options.dryRun
    ? await showPlan(call, plans)
    : await replayAll(call, plans, selection, eventsPerSecondMax);
}

async function showPlan({ context, options, settings, style }: Replay, plans: readonly PlannedReplay[]) {
  const server = (plan: PlannedReplay) => serverOf(plan, settings);
  await context.stdout.write(
    options.json
      ? toJson({
        schema_version: 1,
        dry_run: true,
        logs: plans.map((plan) => planJson(plan, server(plan))),
      }) + "\n"
      : renderReplayPlan(plans, server, style),
  );
  return ExitCode.DONE;
}

async function replayAll(
  { context, options, settings, logger, style }: Replay,
  plans: readonly PlannedReplay[],
  selection: ReplaySelection,
  eventsPerSecondMax: number | undefined,
): Promise<number> {
  const { stdout, stderr } = context;
  const signals = stopSignals(context.signals, logger);
  const progress = new Progress(context);
  const replaySettings: ReplaySettings = settings;
  const common = { context, settings: replaySettings, selection, eventsPerSecondMax, logger, progress };
  const run = new ReplayRun({ ...common, backoff: USUAL_BACKOFF, signal: signals.drain });
  const all: Replayed[] = [];
  const each = async () => {
    for (const plan of plans) {
      const one = await run.replay(plan);
      all.push(one);
      if (!options.json && (one.sent > 0 || one.end === "sent")) await stdout.write(renderReplayed(one));
      const problem = replayProblem(one);
      if (problem !== "") await stderr.write(problem + "\n");
      await stdout.flush();
      await stderr.flush();
    }
  };
  try {
    const isDone = await Promise.race([each().then(() => true), signals.abandoned.then(() => false)]);
    if (!isDone) return ExitCode.INTERRUPTED;
  } finally {
    signals.release();
    run.close();
  }
  if (options.json) await stdout.write(toJson(replayJson(all, settings.server)) + "\n");
  else await stdout.write(renderReplayTotals(all, selection.failed || selection.resend, style));
  return exitCodeOf(all, options.all === true);
}

/** The gravest decides, and what a later run can put right comes before what it cannot. */
function exitCodeOf(all: readonly Replayed[], isAll: boolean): number {
  const has = (end: Replayed["end"]) => all.some((one) => one.end === end);
  if (has("interrupted")) return ExitCode.INTERRUPTED;
  if (has("authentication")) return ExitCode.AUTHENTICATION;
  if (has("unreachable")) return ExitCode.UNREACHABLE;
  const isFine = ({ end, gaveUp, completion, plan }: Replayed) =>
    (end === "sent" && gaveUp === 0 && completion !== "outstanding") || end === "nothing" ||
    // With --all, a log that is being written is where it belongs.
    (isAll && end === "obstacle" && plan.obstacle?.kind === "in_use");
  return all.every(isFine) ? ExitCode.DONE : ExitCode.FAILED;
}

function selectionOf({ failed, resend, seq }: Options): ReplaySelection {
  return {
    failed: failed ?? false,
    resend: resend ?? false,
    sequences: seq === undefined ? undefined : parseSequences(seq),
  };
}

const SEQUENCE_MAX = 2n ** 63n - 1n;

/** `10..20`, `10..`, `..20` or `10`. */
function parseSequences(text: string): { first: bigint; last: bigint } {
  const match = /^(\d{1,19})?(\.\.)?(\d{1,19})?$/.exec(text);
  const [, from, dots, to] = match ?? [];
  if (
    match !== null && (from !== undefined || to !== undefined) && (dots !== undefined || to === undefined)
  ) {
    const first = BigInt(from ?? 0);
    const last = dots === undefined ? first : BigInt(to ?? SEQUENCE_MAX);
    if (first <= last) return { first, last };
  }
  throw new UsageError(
    `Cannot read --seq: expected sequences such as 10..20, 10.. or 10, found ${JSON.stringify(text)}`,
  );
}

/** `100` or `100/s`. */
function parseRate(text: string): number {
  const rate = /^\d+(\.\d+)?(\/s)?$/.test(text) ? parseFloat(text) : 0;
  if (rate > 0) return rate;
  throw new UsageError(
    `Cannot read --rate: expected events a second, such as 100, found ${JSON.stringify(text)}`,
  );
}

function planJson(plan: PlannedReplay, server: string | undefined) {
  const { target, wanted, events, pending, failed, isCompletionDue, execution, obstacle } = plan;
  return {
    path: target.path,
    kind: target.kind,
    job_id: execution?.job_id ?? target.jobId ?? null,
    execution: execution?.execution ?? null,
    server: server ?? null,
    events,
    pending,
    failed,
    to_send: wanted,
    adoption: plan.isAdoption ?? false,
    completion_due: isCompletionDue,
    obstacle: obstacle?.kind ?? null,
  };
}

function replayJson(all: readonly Replayed[], server: string | undefined) {
  return {
    schema_version: 1,
    dry_run: false,
    logs: all.map((one) => ({
      ...planJson(one.plan, serverOf(one.plan, { server })),
      result: one.end,
      sent: one.sent,
      duplicates: one.duplicates,
      refused: one.gaveUp,
      reason: one.reason ?? null,
      job_completed: one.completion === "completed",
      completion: one.completion ?? null,
      adopted: one.isAdopted,
      archive: one.archivePath ?? null,
    })),
    sent: all.reduce((sum, one) => sum + one.sent, 0),
  };
}
