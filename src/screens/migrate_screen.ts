/**
 * The screens of `wal migrate`: what is to be moved, what stands in the way, and what was done. Pure.
 */
import type { MigrationResult } from "../migrate/migrate.ts";
import type { DirectoryPlan, MigrationObstacle, MigrationPlan } from "../migrate/plan.ts";
import { SETTINGS } from "../config/settings.ts";
import {
  counted,
  formatBytes,
  formatNext,
  formatTable,
  shellWord,
  shown,
  type Style,
} from "../platform/text.ts";

const SETTING = { wal: SETTINGS.walDir, archive: SETTINGS.archiveDir } as const;

const STATE: Readonly<Record<DirectoryPlan["where"], string>> = {
  absent: "not there yet",
  old: "to be moved",
  in_place: "is there already",
  cut_off: "copied; the link is missing",
};

export function renderMigrationPlan({ directories, freeBytes }: MigrationPlan, style: Style): string {
  const rows = directories.map(({ source, target, where, files, bytes, leftOver }) => [
    shown(source),
    shown(target),
    where === "old" ? String(files) : "-",
    where === "old" ? formatBytes(bytes) : "-",
    leftOver.length > 0 && where === "in_place" ? "originals to be removed" : STATE[where],
  ]);
  const columns = [
    { title: "FROM" },
    { title: "TO" },
    { title: "FILES", align: "right" as const },
    { title: "SIZE", align: "right" as const },
    { title: "STATE" },
  ];
  return formatTable(columns, rows, style) + `${formatBytes(freeBytes)} free at the new place\n`;
}

/** One line for each thing that stands in the way. */
export function renderObstacles(obstacles: readonly MigrationObstacle[]): string {
  return obstacles.slice(0, 10).map((obstacle) => `  ${obstacleLine(obstacle)}`).join("\n") +
    (obstacles.length > 10 ? `\n  and ${obstacles.length - 10} more` : "");
}

function obstacleLine(obstacle: MigrationObstacle): string {
  switch (obstacle.kind) {
    case "worker_runs":
      return `a worker uses ${obstacle.path}. Stop it, which lets its jobs end: ` +
        (obstacle.pid === undefined ? "send it SIGTERM" : `kill ${obstacle.pid}`);
    case "in_use":
      return `${
        obstacle.pid === undefined ? "a process" : `process ${obstacle.pid}`
      } is writing ${obstacle.path}: stop the worker first`;
    case "not_a_file":
      return `${obstacle.path} is no regular file, so it is not ours to move: move it away by hand`;
    case "no_room":
      return `${formatBytes(obstacle.neededBytes)} are needed and ${
        formatBytes(obstacle.freeBytes)
      } are free at the new place`;
    case "inside_itself":
      return `${obstacle.path} lies inside the directory that is to be moved: choose another place`;
  }
}

export function renderMigrated(result: MigrationResult, to: string, style: Style): string {
  const { plan, copiedFiles, copiedBytes, linked, removedFiles, waiting } = result;
  const lines: string[] = [];
  const verified = plan.directories.some(({ where }) => where === "old");
  if (verified) {
    lines.push(
      `Copied ${counted(copiedFiles, "file")}; ${
        formatBytes(copiedBytes)
      } at the new place were compared with the originals`,
    );
  }
  for (const { name, source, target } of plan.directories) {
    if (linked.includes(name)) lines.push(`${shown(source)} is a link to ${shown(target)} now`);
  }
  if (removedFiles > 0) {
    lines.push(`Removed ${counted(removedFiles, "original")}, ${formatBytes(result.removedBytes)} free`);
  }
  if (waiting.length > 0) {
    const names = waiting.map((name) => SETTING[name].key).join(" and ");
    lines.push(
      `The originals are still there, and a worker still uses them: set ${names}, then run the first command below`,
    );
    lines.push(...waiting.map((name) => `  ${SETTING[name].key}: ${shown(`${to}/${name}`)}`));
  } else if (lines.length === 0) {
    lines.push("Nothing to move: everything is in its place");
  }
  return lines.map((line) => line + "\n").join("") + formatNext(nextSteps(waiting, to), style);
}

function nextSteps(waiting: MigrationResult["waiting"], to: string): [string, string][] {
  if (waiting.length === 0) return [["airunner wal ls", "shows the logs at their new place"]];
  const flags = waiting.map((name) => `${SETTING[name].flag}=${shown(shellWord(`${to}/${name}`))}`).join(" ");
  const target = shown(shellWord(to));
  return [
    [
      `airunner wal migrate --to ${target} ${flags}`,
      "removes the originals, once the settings name the new place",
    ],
    [
      `airunner wal migrate --to ${target} --symlink`,
      "or else: puts links in their place, and no setting changes",
    ],
  ];
}
