/**
 * `airunner wal restore`: brings archives back as logs.
 */
import { restoreArchive, type RestoreResult } from "../../../archive/restore.ts";
import type { Files } from "../../../platform/files.ts";
import type { Call } from "../../call.ts";
import { ExitCode } from "../../../screens/exit_code.ts";
import { toJson } from "../../../platform/json.ts";
import { counted, formatBytes, formatNext, shellWord, shown } from "../../../platform/text.ts";
import { findTargets } from "../../../survey/targets.ts";

type Restore = Call<[string[]], { remove?: true; json?: true }, "walDir" | "archiveDir">;

interface Restored {
  readonly path: string;
  readonly result: RestoreResult | undefined;
  readonly error: string | undefined;
}

export async function run({ context, args: [words], options, settings, style }: Restore): Promise<number> {
  const { stdout, stderr } = context;
  const { walDir } = settings;
  const targets = await findTargets(context.files, words, ["archive"], settings);
  const all: Restored[] = [];
  for (const { path, kind } of targets) {
    const one = kind === "log"
      ? { path, result: undefined, error: `${path} is a log in ${walDir} already; nothing was done.` }
      : await restore(context.files, path, walDir, options.remove ?? false);
    all.push(one);
    if (one.error !== undefined) await stderr.write(shown(one.error) + "\n");
    else if (!options.json) await stdout.write(restoredLine(one));
    await stdout.flush();
    await stderr.flush();
  }
  const restored = all.filter(isRestored);
  if (options.json) await stdout.write(toJson({ schema_version: 1, archives: all.map(restoredJson) }) + "\n");
  else await stdout.write(formatNext(nextSteps(restored), style));
  return restored.length === all.length ? ExitCode.DONE : ExitCode.FAILED;
}

async function restore(
  files: Files,
  path: string,
  walDir: string,
  removeArchive: boolean,
): Promise<Restored> {
  try {
    const result = await restoreArchive({ files, archivePath: path, walDir, removeArchive });
    if (result.outcome !== "damaged") return { path, result, error: undefined };
    return {
      path,
      result,
      error: `Cannot restore ${path}: it is damaged: ${result.reason}. The archive is as it was. ` +
        `Next: airunner wal recover ${shellWord(path)}`,
    };
  } catch (error) {
    return { path, result: undefined, error: (error as Error).message };
  }
}

type Success = Restored & { result: Exclude<RestoreResult, { outcome: "damaged" }> };

function isRestored(one: Restored): one is Success {
  return one.result !== undefined && one.result.outcome !== "damaged";
}

function restoredLine(one: Restored): string {
  if (!isRestored(one)) return "";
  const { outcome, logPath, archiveRemoved, counts } = one.result;
  const what = outcome === "restored" ? "Restored" : "Was restored before:";
  const unsent = counts.pending + counts.failed;
  return `${what} ${shown(logPath)}: ${counted(counts.events, "event")}, ` +
    `${unsent === 0 ? "all sent" : `${unsent} not sent`}, ${formatBytes(counts.rawBytes)}; ` +
    `the archive ${archiveRemoved ? "was removed" : "is kept"}\n`;
}

function nextSteps(restored: readonly Success[]): [string, string][] {
  const unsent = restored.filter(({ result: { counts } }) => counts.pending > 0);
  if (unsent.length > 0) {
    const [{ result }] = unsent;
    return unsent.length === 1
      ? [[`airunner wal replay ${shown(shellWord(result.logPath))}`, "sends what the server lacks"]]
      : [["airunner wal replay --all", "sends what the server lacks"]];
  }
  if (restored.length === 0) return [];
  return [[
    `airunner wal inspect ${shown(shellWord(restored[0].result.logPath))}`,
    "shows what is in it; a worker archives it again",
  ]];
}

function restoredJson({ path, result, error }: Restored) {
  const done = result !== undefined && result.outcome !== "damaged" ? result : undefined;
  return {
    path,
    outcome: result?.outcome ?? "failed",
    log: done?.logPath ?? null,
    archive_removed: done?.archiveRemoved ?? false,
    job_id: done?.counts.jobId ?? null,
    events: done?.counts.events ?? null,
    pending: done?.counts.pending ?? null,
    failed: done?.counts.failed ?? null,
    raw_bytes: done?.counts.rawBytes ?? null,
    error: error ?? null,
  };
}
