/**
 * Whether the directories are there, and belong to whoever runs jobs, and to nobody else: job output is in
 * them.
 */
import { counted, formatCount, shellWord, shown } from "../platform/text.ts";
import { type Check, type Cure, type Finding, ok, problem, warning } from "./finding.ts";
import type { FileFacts, PathFacts, Probe } from "./probe.ts";

const ROOT = 0;
const OTHERS = 0o077;
const OWNER = 0o700;

function directoryCheck(id: string, title: string, pathOf: (probe: Probe) => string): Check {
  return {
    id,
    title,
    async run(probe) {
      const path = pathOf(probe);
      return judgeDirectory(path, await probe.look(path), probe.userId);
    },
  };
}

/** A directory as it was found, by `userId`. */
export function judgeDirectory(
  path: string,
  facts: PathFacts | undefined,
  userId: number | undefined,
): Finding {
  const quoted = shellWord(path);
  if (facts === undefined) {
    return ok(`${shown(path)} is not there yet; the first worker that starts makes it`, {
      path,
      exists: false,
    });
  }
  const { kind, linkTarget, mode, ownerId } = facts;
  const measured = { path, exists: true, mode: octal(mode), owner_id: ownerId ?? null };
  const place = linkTarget === undefined ? shown(path) : `${shown(path)} (leads to ${shown(linkTarget)})`;
  if (kind === "broken_link") {
    return problem(
      `${place}, and nothing is there. Is its disk mounted?`,
      measured,
      [
        `ls -ld ${shellWord(linkTarget ?? path)}`,
        "shows what is missing; mount the disk, or make the directory",
      ],
    );
  }
  if (kind !== "directory") {
    return problem(`${place} is no directory. No worker can start`, measured, [
      `mv ${quoted} ${shellWord(`${path}.old`)}`,
      "moves it out of the way",
    ]);
  }
  if (userId !== undefined && ownerId !== undefined && ownerId !== userId) {
    return judgeForeign(place, quoted, { ownerId, userId }, measured);
  }
  if ((mode & OWNER) !== OWNER) {
    return problem(`${place}: its owner may not use it (mode ${octal(mode)})`, measured, [
      `chmod 700 ${quoted}`,
      "gives it back to its owner",
    ]);
  }
  if ((mode & OTHERS) !== 0) {
    const what = (mode & 0o022) !== 0 ? "change" : "see";
    return warning(`${place}: other users may ${what} what is in it (mode ${octal(mode)})`, measured, [
      `chmod 700 ${quoted}`,
      "keeps it for its owner alone",
    ]);
  }
  return ok(`${place}, for its owner alone (mode ${octal(mode)})`, measured);
}

function judgeForeign(
  place: string,
  quoted: string,
  { ownerId, userId }: { ownerId: number; userId: number },
  measured: Finding["measured"],
): Finding {
  if (userId === ROOT) {
    return warning(
      `${place} belongs to user ${ownerId}, and this is root: what root makes in it, a worker of that user cannot use`,
      measured,
      [`sudo -u '#${ownerId}' airunner doctor`, "looks with the eyes of that user"],
    );
  }
  return problem(`${place} belongs to user ${ownerId}, and this is user ${userId}`, measured, [
    `sudo chown -R ${userId} ${quoted}`,
    "gives it to this user; or run the command as the one it belongs to",
  ]);
}

const files: Check = {
  id: "file_access",
  title: "File access",
  async run(probe) {
    const { walDir, archiveDir } = probe.settings;
    const [logs, archives] = await Promise.all([probe.list(walDir), probe.list(archiveDir)]);
    return judgeFiles(
      [{ directory: walDir, files: logs }, { directory: archiveDir, files: archives }],
      probe.userId,
    );
  },
};

export interface FilesOf {
  readonly directory: string;
  readonly files: readonly FileFacts[];
}

/** Owners and modes of all logs and archives: a copy made by `cp` or `tar` has those of whoever made it. */
export function judgeFiles(directories: readonly FilesOf[], userId: number | undefined): Finding {
  const all = directories.flatMap(({ files }) => files);
  const isForeign = ({ ownerId }: FileFacts) =>
    userId !== undefined && userId !== ROOT && ownerId !== undefined && ownerId !== userId;
  const isOpen = ({ mode }: FileFacts) => (mode & OTHERS) !== 0;
  const foreign = all.filter(isForeign).length;
  const open = all.filter(isOpen).length;
  const measured = { files: all.length, foreign, open_to_others: open };
  const cures: Cure[] = [];
  const found: string[] = [];
  for (const { directory, files } of directories) {
    if (files.some(isForeign)) {
      cures.push([`sudo chown -R ${userId} ${shellWord(directory)}`, "gives the files to this user"]);
    }
    if (files.some(isOpen)) {
      cures.push([
        `find ${shellWord(`${directory}/`)} -type f -perm /077 -exec chmod go= {} +`,
        "keeps the files for their owner alone",
      ]);
    }
  }
  if (foreign > 0) {
    found.push(`${counted(foreign, "file")} of ${formatCount(all.length)} belong to another user`);
  }
  if (open > 0) {
    found.push(`${counted(open, "file")} of ${formatCount(all.length)} can be read by other users`);
  }
  if (foreign > 0) {
    return problem(`${found.join("; ")}. A worker cannot take up what is not its own`, measured, ...cures);
  }
  if (open > 0) return warning(found.join("; "), measured, ...cures);
  if (all.length === 0) return ok("there are no logs or archives yet", measured);
  return ok(`${counted(all.length, "file")}, for their owner alone`, measured);
}

function octal(mode: number): string {
  return (mode & 0o7777).toString(8).padStart(4, "0");
}

export const DIRECTORY_CHECKS: readonly Check[] = [
  directoryCheck("data_directory", "Data directory", ({ settings }) => settings.dataDir),
  directoryCheck("wal_directory", "Log directory", ({ settings }) => settings.walDir),
  directoryCheck("archive_directory", "Archive directory", ({ settings }) => settings.archiveDir),
  files,
];
