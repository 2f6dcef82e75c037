/**
 * Whether the disk is one to keep a log on: its kind, the room on it, and how long it takes to sync.
 */
import { keptFreeBytes } from "../platform/disk_space.ts";
import { messageOf } from "../platform/error_text.ts";
import { formatBytes, formatCount, shown } from "../platform/text.ts";
import { type Check, type Cure, type Finding, ok, problem, skipped, warning } from "./finding.ts";
import { doubtAbout } from "./file_system_kind.ts";
import type { FileSystemFacts, Probe, SyncFacts } from "./probe.ts";

/** The runbook's limit for a disk that is nearly full. */
const NEARLY_FULL = 0.9;
/** The runbook's limit for appends, p99. A sync is nearly all of an append. */
const SYNC_P99_MS_MAX = 10;
/** Each job needs a few: its log, its archive, a temporary file. */
const FREE_INODES_MIN = 1000;

interface Place {
  readonly what: string;
  readonly facts: FileSystemFacts;
}

/** Logs and archives, told apart only where they are on different file systems. */
async function places(probe: Probe): Promise<Place[]> {
  const [wal, archive] = await probe.fileSystems();
  if (archive === undefined) return [{ what: "logs and archives", facts: wal }];
  return [{ what: "logs", facts: wal }, { what: "archives", facts: archive }];
}

/** The worst of several findings, with all of their texts. */
export function worstOf(findings: readonly Finding[]): Finding {
  const order = ["problem", "warning", "ok", "skipped"] as const;
  const level = order.find((level) => findings.some((finding) => finding.level === level))!;
  const cures = new Map(findings.flatMap(({ cures }) => cures));
  return {
    level,
    found: findings.map(({ found }) => found).join("; "),
    measured: Object.assign({}, ...findings.map(({ measured }) => measured)),
    cures: [...cures],
  };
}

const kind: Check = {
  id: "file_system",
  title: "File system",
  async run(probe) {
    const migrate: Cure = [
      probe.command("wal migrate --to DIR"),
      "moves logs and archives to a directory on a local disk, with the worker stopped",
    ];
    return worstOf((await places(probe)).map((place) => judgeKind(place, migrate)));
  },
};

export function judgeKind({ what, facts: { kind } }: Place, migrate: Cure): Finding {
  const measured = { [`${key(what)}_file_system`]: kind };
  const doubt = doubtAbout(kind);
  return doubt === undefined
    ? ok(`${kind} for ${what}`, measured)
    : warning(`${kind} for ${what}: ${doubt}`, measured, migrate);
}

const space: Check = {
  id: "free_space",
  title: "Free space",
  async run(probe) {
    const { minFreeSpace } = probe.settings;
    const cures: Cure[] = [
      [
        probe.command("wal cleanup --older-than=7d"),
        "deletes old archives of which the server has everything; asks first",
      ],
      [probe.command("wal archive --all"), "compresses logs that nobody is writing"],
      [probe.command("wal migrate --to DIR"), "moves everything to a larger disk, with the worker stopped"],
    ];
    return worstOf((await places(probe)).map((place) => judgeSpace(place, minFreeSpace, cures)));
  },
};

export function judgeSpace({ what, facts }: Place, freeBytesMin: number, cures: readonly Cure[]): Finding {
  const { freeBytes, totalBytes } = facts;
  const limit = keptFreeBytes(totalBytes, freeBytesMin);
  const measured = { [`${key(what)}_free_bytes`]: freeBytes, [`${key(what)}_total_bytes`]: totalBytes };
  const found = `${formatBytes(freeBytes)} of ${formatBytes(totalBytes)} free for ${what}`;
  if (freeBytes <= limit) {
    return problem(
      `${found}: jobs' output is paused below ${
        formatBytes(Math.ceil(limit))
      }. Nothing is lost; it goes on when there is room`,
      measured,
      ...cures,
    );
  }
  const used = 1 - freeBytes / totalBytes;
  if (used > NEARLY_FULL) {
    return warning(
      `${found}: ${Math.floor(used * 100)}% is used, and a full disk pauses jobs`,
      measured,
      ...cures,
    );
  }
  return ok(found, measured);
}

const inodes: Check = {
  id: "free_inodes",
  title: "Free inodes",
  async run(probe) {
    const cures: Cure[] = [[
      probe.command("wal cleanup --older-than=7d"),
      "deletes old archives of which the server has everything; asks first",
    ]];
    return worstOf((await places(probe)).map((place) => judgeInodes(place, cures)));
  },
};

export function judgeInodes({ what, facts }: Place, cures: readonly Cure[]): Finding {
  const { freeInodes, totalInodes, kind } = facts;
  if (totalInodes === 0) return ok(`${kind} does not run out of them`);
  const measured = { [`${key(what)}_free_inodes`]: freeInodes, [`${key(what)}_total_inodes`]: totalInodes };
  const found = `${formatCount(freeInodes)} of ${formatCount(totalInodes)} free for ${what}`;
  if (freeInodes === 0) return problem(`${found}: no log can be made, so no job starts`, measured, ...cures);
  return freeInodes < Math.min(FREE_INODES_MIN, totalInodes / 20)
    ? warning(`${found}: each job needs some`, measured, ...cures)
    : ok(found, measured);
}

const sync: Check = {
  id: "sync_time",
  title: "Sync time",
  alone: true,
  async run(probe) {
    const { walDir } = probe.settings;
    const facts = await probe.look(walDir);
    if (facts?.kind !== "directory") return skipped("measured once the log directory is there");
    try {
      return judgeSync(await probe.measureSync(walDir), [
        [
          probe.command("wal migrate --to DIR"),
          "moves logs and archives to a faster disk, with the worker stopped",
        ],
        ["iostat -x 1 5", "shows whether other programs keep the disk busy"],
      ]);
    } catch (error) {
      const why = messageOf(error);
      return problem(`no file can be written and synced in ${shown(walDir)}: ${why}`, {}, [
        probe.command("help disk-full"),
        "says what to do when it is full; else look at the owner and mode above",
      ]);
    }
  },
};

export function judgeSync({ durationsMs, isHanging }: SyncFacts, cures: readonly Cure[]): Finding {
  const slow = (found: string, measured: Finding["measured"]) =>
    warning(`${found}: output waits for it, and jobs take longer than they should`, measured, ...cures);
  if (durationsMs.length === 0) {
    return slow("one fdatasync took longer than half a second", { samples: 0 });
  }
  const p50 = percentile(durationsMs, 0.5);
  const p99 = percentile(durationsMs, 0.99);
  const measured = { samples: durationsMs.length, p50_ms: rounded(p50), p99_ms: rounded(p99) };
  const found = `fdatasync p50 ${rounded(p50)} ms, p99 ${rounded(p99)} ms (${durationsMs.length} measured)`;
  if (isHanging) return slow(`${found}, and one that took longer than half a second`, measured);
  return p99 > SYNC_P99_MS_MAX
    ? slow(`${found}, and ${SYNC_P99_MS_MAX} ms is the limit`, measured)
    : ok(found, measured);
}

/** `sorted` has at least one number. */
function percentile(sorted: readonly number[], fraction: number): number {
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * fraction) - 1)];
}

function rounded(value: number): number {
  return Number(value.toFixed(2));
}

function key(what: string): string {
  return what === "archives" ? "archive" : "wal";
}

export const DISK_CHECKS: readonly Check[] = [kind, space, inodes, sync];
