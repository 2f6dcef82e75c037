/**
 * Whether a worker runs here, and does what it does besides running jobs: retention, and clearing away what a
 * crash left.
 */
import { DAY_MS } from "../platform/time_units.ts";
import { readFileName } from "../wal/file_names.ts";
import { counted, formatAge, formatCount, shellWord, shown } from "../platform/text.ts";
import { type Check, type Cure, type Finding, ok, problem, skipped, warning } from "./finding.ts";
import { isWorking } from "./log_checks.ts";
import type { ArchiveDirectoryFacts, FileFacts, LogDirectoryFacts, Probe, WorkerAnswer } from "./probe.ts";

const worker: Check = {
  id: "worker",
  title: "Worker",
  async run(probe) {
    const { walDir, metricsListen: listen } = probe.settings;
    const [answer, logs, directory] = await Promise.all([
      probe.askWorker(),
      probe.logs(),
      probe.look(walDir),
    ]);
    const address = listen === "off" ? undefined : `${listen.hostname}:${listen.port}`;
    return judgeWorker({ answer, logs, hasRun: directory !== undefined, address }, probe);
  },
};

export interface WorkerFacts {
  readonly answer: WorkerAnswer;
  readonly logs: LogDirectoryFacts;
  /** A worker makes the log directory when it first starts. */
  readonly hasRun: boolean;
  /** Where it would answer; undefined: metrics are switched off. */
  readonly address: string | undefined;
}

export function judgeWorker(facts: WorkerFacts, probe: Pick<Probe, "command">): Finding {
  const { answer, logs, hasRun, address } = facts;
  const inUse = logs.logs.filter(({ isLocked }) => isLocked).length;
  const measured = { answers: answer.kind, logs_in_use: inUse };
  const writing = inUse > 0 ? `; ${counted(inUse, "log")} in use` : "";
  switch (answer.kind) {
    case "ready":
      return ok(`one answers at ${address} and is ready${writing}`, measured);
    case "not_ready":
      return problem(
        `one answers at ${address} but does not deliver: ${
          answer.reasons.map(shown).join("; ")
        }${writing}. Nothing is lost`,
        measured,
        ["airunner help not-sending", "says what keeps events from being sent"],
        [probe.command("wal ls"), "shows what waits"],
      );
    case "stranger":
      return warning(`something else answers at ${address} (status ${answer.status})${writing}`, measured, [
        `${probe.command("worker")} --metrics-listen=127.0.0.1:9465`,
        "gives the worker an address of its own",
      ]);
    case "none":
      if (isWorking(logs, answer)) return ok(`one runs${writing}`, measured);
      if (!hasRun) return ok("none has run here yet", measured);
      return warning(
        `none runs, as far as can be seen: no log is in use, and ${
          address === undefined ? "metrics are off" : `nothing answers at ${address}`
        }`,
        measured,
        [probe.command("worker"), "takes jobs, and sends what an earlier one left"],
      );
  }
}

const jobUser: Check = {
  id: "job_user",
  title: "Job user",
  run: (probe) => Promise.resolve(judgeJobUser(probe.settings.jobUser, probe)),
};

/**
 * What a worker with these settings would make of them; whether it has the right to is its own to find out.
 */
export function judgeJobUser(name: string | undefined, { hasUser }: Pick<Probe, "hasUser">): Finding {
  const measured = { job_user: name ?? null };
  if (name === undefined) {
    return ok(
      "jobs run as the worker's own user and read what it reads, unless --job-user names another",
      measured,
    );
  }
  if (hasUser(name)) return ok(`jobs run as ${shown(name)}`, measured);
  return problem(`there is no user ${shown(name)}, as whom jobs are to run. No worker can start`, measured, [
    `useradd --system --create-home ${shellWord(name)}`,
    "makes that user",
  ]);
}

const retention: Check = {
  id: "retention",
  title: "Retention",
  async run(probe) {
    return judgeRetention(await probe.archives(), probe.settings.retentionDays, probe);
  },
};

export function judgeRetention(
  { files, overdue, unsent, oldestMs }: ArchiveDirectoryFacts,
  days: number,
  probe: Pick<Probe, "command" | "nowMs">,
): Finding {
  const measured = {
    archives: files,
    overdue,
    retention_days: days,
    oldest_days: oldestMs === undefined ? null : Math.floor((probe.nowMs - oldestMs) / DAY_MS),
  };
  if (files === 0) return ok(`no archives yet; they are kept for ${counted(days, "day")}`, measured);
  const oldest = oldestMs === undefined ? "" : `, the oldest from ${formatAge(oldestMs, probe.nowMs)}`;
  const kept = unsent > 0
    ? `; ${formatCount(unsent)} stay whatever their age, because the server lacks some of their events`
    : "";
  const found = `${counted(files, "archive")}${oldest}, kept for ${counted(days, "day")}${kept}`;
  if (overdue === 0) return ok(found, measured);
  return warning(
    `${found}. ${formatCount(overdue)} should have gone: no worker has cleaned up lately`,
    measured,
    [
      probe.command(`wal cleanup --older-than=${days}d`),
      "deletes them; asks first, and never takes what is unsent",
    ],
    [probe.command("worker"), "does it at its start and every day"],
  );
}

/** What doctor itself writes to try a disk (`sync_probe.ts`). */
const PROBE = /^\.airunner-doctor-[0-9a-f-]{36}\.tmp$/;

const leftovers: Check = {
  id: "leftovers",
  title: "Leftovers",
  async run(probe) {
    const { walDir, archiveDir } = probe.settings;
    if (!await probe.look(walDir) && !await probe.look(archiveDir)) {
      return skipped("there are no directories to look through yet");
    }
    const [logs, archives] = await Promise.all([probe.list(walDir), probe.list(archiveDir)]);
    return judgeLeftovers([...logs, ...archives]);
  },
};

const kindOf = (name: string) => readFileName(name)?.kind;

export function judgeLeftovers(files: readonly FileFacts[]): Finding {
  // One that is locked belongs to somebody who is at work.
  const temporary = files.filter(({ name, isLocked }) =>
    (kindOf(name) === "temporary" || PROBE.test(name)) && !isLocked
  );
  const cut = files.filter(({ name }) => kindOf(name) === "cut");
  const measured = { temporary_files: temporary.length, cut_tails: cut.length };
  const saved = cut.length === 0
    ? ""
    : `; ${counted(cut.length, "torn end")} saved beside their logs, kept until you remove them`;
  if (temporary.length === 0) return ok(`no temporary files of a crash${saved}`, measured);
  const remove: Cure = [
    `rm ${temporary.slice(0, 3).map(({ path }) => shellWord(path)).join(" ")}`,
    temporary.length > 3
      ? "removes the first three; doctor shows the next"
      : "removes them; they were never finished, so nothing is in them alone",
  ];
  return warning(
    `${counted(temporary.length, "temporary file")} of something that was killed${saved}`,
    measured,
    remove,
  );
}

export const WORKER_CHECKS: readonly Check[] = [worker, jobUser, retention, leftovers];
