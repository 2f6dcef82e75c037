/**
 * Whether the logs are whole, and whether somebody sends what is in them.
 */
import { basename } from "node:path";
import { isCompletionDue } from "../wal/completion.ts";
import { problemName } from "../wal/errors.ts";
import { counted, formatAge, formatCount, shellWord, shown } from "../platform/text.ts";
import { type Check, type Cure, type Finding, ok, problem, warning } from "./finding.ts";
import type { ArchiveDirectoryFacts, LogDirectoryFacts, Probe, ReadLog, WorkerAnswer } from "./probe.ts";

/** Commands for so many files are shown; the others follow once these are done. */
const CURES_MAX = 3;

const unsent: Check = {
  id: "unsent_logs",
  title: "Unsent logs",
  async run(probe) {
    const [logs, archives, worker] = await Promise.all([probe.logs(), probe.archives(), probe.askWorker()]);
    return judgeUnsent(logs, archives, isWorking(logs, worker), probe);
  },
};

/** Somebody writes a log, or answers at the worker's address. */
export function isWorking({ logs }: LogDirectoryFacts, worker: WorkerAnswer): boolean {
  return logs.some(({ isLocked }) => isLocked) || worker.kind === "ready" || worker.kind === "not_ready";
}

export function judgeUnsent(
  { logs, unread }: LogDirectoryFacts,
  { pending: archivedPending, unsent: archivesUnsent }: ArchiveDirectoryFacts,
  isWorking: boolean,
  probe: Pick<Probe, "command" | "nowMs">,
): Finding {
  const orphans = logs.filter(({ isLocked, pending }) => !isLocked && pending > 0);
  const events = sum(orphans, ({ pending }) => pending);
  const oldestMs = orphans.reduce(
    (least, { oldestPendingMs }) => Math.min(least, oldestPendingMs ?? least),
    Infinity,
  );
  const measured = {
    orphaned_logs: orphans.length,
    unsent_events: events,
    oldest_unsent_ms: Number.isFinite(oldestMs) ? oldestMs : null,
    logs_in_use: logs.filter(({ isLocked }) => isLocked).length,
    logs_not_read: unread,
    archived_unsent_events: archivedPending,
    uncompleted_logs: logs.filter(isCompletionDue).length,
  };
  const rest = unread === 0 ? "" : ` (${counted(unread, "log")} not read: there was no time)`;
  const replay: Cure = [
    probe.command("wal replay --all"),
    "sends what the server lacks now; can be interrupted and run again",
  ];
  const show: Cure = [probe.command("wal ls"), "shows each log, and whose it is"];
  if (orphans.length > 0) {
    const age = Number.isFinite(oldestMs) ? `, the oldest from ${formatAge(oldestMs, probe.nowMs)}` : "";
    const found = `${counted(orphans.length, "log")} with ${
      counted(events, "unsent event")
    } that nobody has open${age}${rest}`;
    return isWorking
      ? warning(`${found}. They are safe; a worker takes them up within minutes`, measured, show, replay)
      : problem(`${found}. They are safe, and nobody sends them`, measured, [
        probe.command("worker"),
        "takes them up, sends them and completes their jobs",
      ], replay);
  }
  if (archivedPending > 0) {
    return warning(
      `${counted(archivesUnsent, "archive")} with ${
        counted(archivedPending, "event")
      } that the server lacks${rest}. They are safe`,
      measured,
      replay,
    );
  }
  const uncompleted = logs.filter((log) => !log.isLocked && isCompletionDue(log)).length;
  if (uncompleted > 0) {
    return warning(
      `${
        counted(uncompleted, "log")
      } delivered, not completed: the server has every event, and was not told how the job ended${rest}`,
      measured,
      show,
      [probe.command("wal replay --all"), "tells it; so does a worker"],
    );
  }
  return ok(
    logs.length === 0 ? `no log waits${rest}` : `every log with unsent events is in a worker's hands${rest}`,
    measured,
  );
}

const failed: Check = {
  id: "failed_events",
  title: "Failed events",
  async run(probe) {
    return judgeFailed(await probe.logs(), await probe.archives(), probe);
  },
};

export function judgeFailed(
  { logs }: LogDirectoryFacts,
  archives: ArchiveDirectoryFacts,
  probe: Pick<Probe, "command">,
): Finding {
  const events = sum(logs, ({ failed }) => failed) + archives.failed;
  const measured = { failed_events: events };
  if (events === 0) return ok("none", measured);
  return warning(
    `${counted(events, "event")} that the server refused for good. They are kept`,
    measured,
    [probe.command("wal ls"), "shows whose they are; wal inspect JOB says why they were refused"],
    [probe.command("wal replay --all --failed"), "tries them again, once the server takes them"],
  );
}

const damage: Check = {
  id: "damage",
  title: "Damage",
  async run(probe) {
    return judgeDamage(await probe.logs(), probe);
  },
};

export function judgeDamage(facts: LogDirectoryFacts, probe: Pick<Probe, "command">): Finding {
  const { logs, unread, unreadable, quarantined } = facts;
  const broken = logs.filter(({ damage }) => damage !== null && !damage.isTornTail);
  // The end of a log in use is only half there while it is written.
  const torn = logs.filter(({ damage, isLocked }) => damage?.isTornTail && !isLocked);
  const measured = {
    logs_read: logs.length,
    logs_not_read: unread,
    logs_unreadable: unreadable.length,
    quarantined: quarantined.length,
    damaged: broken.length,
    torn: torn.length,
  };
  const read = unread === 0
    ? `${counted(logs.length, "log")} read`
    : `${formatCount(logs.length)} of ${counted(logs.length + unread, "log")} read, then the time was up`;
  const found = [
    ...(quarantined.length > 0 ? [`${counted(quarantined.length, "damaged log")} set aside`] : []),
    ...broken.slice(0, CURES_MAX).map(describeDamage),
    ...(broken.length > CURES_MAX ? [`${counted(broken.length - CURES_MAX, "more damaged log")}`] : []),
    ...unreadable.slice(0, 1).map(({ path, why }) => `${shown(path)} cannot be read: ${shown(why)}`),
  ];
  const verify: Cure = [probe.command("wal verify --all"), "reads every log and every archive to its end"];
  if (found.length > 0) {
    const cures = [...quarantined, ...broken.map(({ path }) => path)].slice(0, CURES_MAX).map((
      path,
    ): Cure => [
      probe.command(`wal recover ${shellWord(path)}`),
      "saves every whole record into a new log; the damaged file stays, move it away when you are done",
    ]);
    return problem(`${found.join("; ")} (${read}). Nothing was removed`, measured, ...cures, verify);
  }
  if (torn.length > 0) {
    return ok(
      `${read}; ${
        counted(torn.length, "log")
      } with a torn end, as after a crash: the next worker cuts it off`,
      measured,
    );
  }
  return unread > 0 ? warning(`${read}, and they are whole`, measured, verify) : ok(
    logs.length === 0 ? "there is no log that could be damaged" : `${read}, all whole`,
    measured,
  );
}

function describeDamage({ path, damage }: ReadLog): string {
  return `${shown(basename(path))}: ${problemName(damage!.problem)} at byte ${formatCount(damage!.offset)}`;
}

function sum(logs: readonly ReadLog[], of: (log: ReadLog) => number): number {
  return logs.reduce((total, log) => total + of(log), 0);
}

export const LOG_CHECKS: readonly Check[] = [unsent, failed, damage];
