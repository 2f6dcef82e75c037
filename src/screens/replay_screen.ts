/**
 * What `wal replay` says: what it would send, what became of each log, and what to do about those that could
 * not be sent. Pure.
 */
import type { Obstacle, PlannedReplay } from "../replay/plan.ts";
import {
  counted,
  formatCount,
  formatNext,
  formatTable,
  shellWord,
  shown,
  type Style,
} from "../platform/text.ts";
import { nameOf, type Replayed } from "../replay/replayed.ts";

export function renderReplayPlan(
  plans: readonly PlannedReplay[],
  serverOf: (plan: PlannedReplay) => string | undefined,
  style: Style,
): string {
  const isWork = (plan: PlannedReplay) =>
    plan.wanted > 0 || plan.isCompletionDue || plan.obstacle !== undefined;
  const rows = plans.filter(isWork).map((plan) => [
    plan.isCompletionDue && plan.wanted === 0 ? "its end" : formatCount(plan.wanted),
    nameOf(plan),
    plan.obstacle === undefined ? shown(serverOf(plan) ?? "-") : "-",
    plan.obstacle === undefined ? "" : obstacleInShort(plan.obstacle),
    shown(plan.target.path),
  ]);
  if (rows.length === 0) return renderNothing(plans, style);
  const columns = [
    { title: "TO SEND", align: "right" as const },
    { title: "JOB" },
    { title: "SERVER" },
    { title: "WHY NOT" },
    { title: "FILE" },
  ];
  return formatTable(columns, rows, style) + "Nothing was sent (--dry-run)\n";
}

function obstacleInShort(obstacle: Obstacle): string {
  switch (obstacle.kind) {
    case "in_use":
      return `in use by ${obstacle.pid}`;
    case "no_execution":
    case "no_token":
      return "no token";
    default:
      return obstacle.kind;
  }
}

/** `plans` is everything that was looked at. */
function renderNothing(plans: readonly PlannedReplay[], style: Style): string {
  if (plans.length === 0) return "Nothing to replay: there is no log and no archive\n";
  const failed = plans.reduce((sum, plan) => sum + plan.failed, 0);
  if (failed === 0) {
    return `Nothing to replay: of ${counted(plans.length, "file")}, the server has every event\n` +
      formatNext([[
        "airunner wal replay --all --resend",
        "sends everything again, when the server has lost its data since",
      ]], style);
  }
  return `Nothing to replay: nothing is pending in ${counted(plans.length, "file")}\n` +
    failedHint(failed, style);
}

function failedHint(failed: number, style: Style): string {
  return formatNext([[
    "airunner wal replay --failed --all",
    `tries the ${counted(failed, "event")} again that the server refused before`,
  ]], style);
}

export function renderReplayed(
  { plan, end, sent, duplicates, gaveUp, completion, isAdopted, archivePath }: Replayed,
): string {
  if (end === "nothing") return `${nameOf(plan)}: nothing to send\n`;
  const before = duplicates > 0 ? `, ${formatCount(duplicates)} of them were on the server before` : "";
  const parts = [`sent ${counted(sent, "event")}${before}`];
  if (isAdopted) parts.unshift("adopted by the server, which did not know the job");
  if (gaveUp > 0) parts.push(`the server refuses ${formatCount(gaveUp)}`);
  if (completion !== undefined) parts.push(COMPLETIONS[completion]);
  if (archivePath !== undefined) parts.push(`archived as ${shown(archivePath)}`);
  return `${nameOf(plan)}: ${parts.join("; ")}\n`;
}

const COMPLETIONS = {
  completed: "job completed",
  superseded: "the server gave the job to a later execution",
  outstanding: "not completed",
} as const;

/**
 * Why a log was not sent, whether its data is safe, and the next command. Empty when there is nothing to say.
 */
export function replayProblem(one: Replayed): string {
  const { plan, end, reason, sent, logPath } = one;
  const path = one.archivePath ?? logPath ?? plan.target.path;
  const left = `${nameOf(plan)}: ${counted(Math.max(0, plan.wanted - sent - one.gaveUp), "event")} not sent`;
  const safe = `They are safe in ${shown(path)}`;
  switch (end) {
    case "obstacle":
      return plan.obstacle === undefined ? "" : obstacleProblem(plan, plan.obstacle);
    case "differs":
      return `${nameOf(plan)}: the server took every event and has others, by their checksum; sending them ` +
        `again did not change that.\n  ${shown(path)} stays where it is; the lines above name the events.\n` +
        `  Next: airunner wal inspect ${word(path)}`;
    case "refused":
      return `${left}: the server refuses them: ${shown(reason ?? "")}.\n  ${safe}. ` +
        (plan.isAdoption
          ? "The server has the job from elsewhere, and needs this only if its own copy is bad: see airunner logs"
          : "It may have forgotten this execution, or be another server than the one that started the job: " +
            "check --server");
    case "unreachable":
      return `${left}: the server does not answer: ${
        shown(reason ?? "")
      }.\n  ${safe}; run the same command again later`;
    case "authentication":
      return `${left}: the server does not let us in: ${shown(reason ?? "")}.\n  ${safe}. ` +
        "`airunner keys list` shows who you are; the server must list that key, with the role run";
    case "interrupted":
      return `${left}: interrupted.\n  ${safe}; run the same command again to go on`;
    case "failed":
      return `${left}: ${shown(reason ?? "").replace(/\.$/, "")}.\n  ${safe}.\n  Next: airunner wal verify ${
        word(path)
      }`;
    default:
      if (one.completion === "outstanding") {
        return `${
          nameOf(plan)
        }: delivered, not completed: the server has every event and does not take how the job ended.\n  ` +
          `${shown(path)} keeps what it takes to complete it; run the same command again later`;
      }
      return one.gaveUp === 0
        ? ""
        : `${nameOf(plan)}: the server refuses ${
          counted(one.gaveUp, "event")
        } while it takes the others.\n  ` +
          `Next: airunner wal inspect ${word(one.archivePath ?? path)}`;
  }
}

function obstacleProblem(plan: PlannedReplay, obstacle: Obstacle): string {
  const { target: { path } } = plan;
  const left = `${nameOf(plan)}: ${counted(plan.wanted, "event")} not sent`;
  switch (obstacle.kind) {
    case "in_use":
      return `${nameOf(plan)}: left alone: process ${obstacle.pid} is writing ${
        shown(path)
      } and sends its events itself`;
    case "damaged":
      return `${nameOf(plan)}: not sent: ${shown(path)} is damaged: ${
        shown(obstacle.reason)
      }. It was not changed.\n  ` +
        `Next: airunner wal recover ${word(path)}`;
    case "unreadable":
      return `${nameOf(plan)}: not sent: ${shown(obstacle.reason)}`;
    case "no_execution":
      return `${left}: ${
        shown(path)
      } lacks the record with the job's task token, and a server takes events with a token only. ` +
        "The output is safe in it.\n" +
        `  Next: airunner wal replay --adopt=all --server=URL ${
          word(path)
        }, which has the server make the job`;
    case "no_token":
      if (plan.execution?.server === "") {
        return `${left}: its command was run without a server. The output is safe in ${shown(path)}.\n` +
          `  Next: airunner wal replay --server=URL ${word(path)}`;
      }
      return `${left}: the task token is no longer in ${
        shown(path)
      }: it was removed when the server had everything, and a server takes events with a token only. ` +
        "The output is safe in it.\n" +
        `  Next: airunner wal replay --resend --adopt=all ${word(path)}, for a server that lost the job`;
  }
}

export function renderReplayTotals(all: readonly Replayed[], withFailed: boolean, style: Style): string {
  const tried = all.filter(({ end }) => end !== "nothing");
  const plans = all.map(({ plan }) => plan);
  if (tried.length === 0) return renderNothing(plans, style);
  const sent = tried.reduce((sum, one) => sum + one.sent, 0);
  const left = tried.reduce((sum, one) => sum + Math.max(0, one.plan.wanted - one.sent), 0);
  const failed = withFailed ? 0 : plans.reduce((sum, plan) => sum + plan.failed, 0);
  return `${counted(tried.length, "log")}: ${counted(sent, "event")} sent${
    left === 0 ? "" : `, ${formatCount(left)} left`
  }\n` +
    (failed > 0 ? failedHint(failed, style) : "");
}

function word(path: string): string {
  return shown(shellWord(path));
}
