/**
 * `airunner wal verify`: reads every byte of every file, and writes nothing.
 */
import type { Context } from "../../context.ts";
import { isGone } from "../../../survey/inventory.ts";
import type { Call } from "../../call.ts";
import { UsageError } from "../../command_error.ts";
import { ExitCode } from "../../../screens/exit_code.ts";
import { toJson } from "../../../platform/json.ts";
import { listLogFiles } from "../../../survey/log_files.ts";
import { cannotRead } from "./cannot_read.ts";
import { Progress } from "../../../screens/progress.ts";
import { headerNotice, renderVerified, renderVerifyTotals } from "../../../screens/verify_screen.ts";
import { NotFound } from "../../../platform/system_errors.ts";
import { shellWord, shown } from "../../../platform/text.ts";
import { type Verified, verifyLog } from "../../../survey/verify.ts";

type Verify = Call<[string[]], { all?: true; json?: true }, "walDir" | "archiveDir">;

export async function run(call: Verify): Promise<number> {
  const { context, args: [named], options, settings, style } = call;
  const { all: isAll = false, json: isJson = false } = options;
  if (isAll === (named.length > 0)) {
    throw new UsageError("Cannot verify: name the files, or give --all for every file of the data directory");
  }
  const { stdout, stderr } = context;
  const totals = { whole: 0, unreadable: 0, torn: [] as string[], damaged: [] as string[] };
  for await (const path of isAll ? allPaths(context, settings) : named) {
    let verified: Verified;
    try {
      verified = await verifyOne(path, call);
    } catch (error) {
      // Archived or taken away since it was listed; its archive is checked after the logs.
      if (isAll && isGone(error)) continue;
      // One file that cannot be read must not hide damage in the next.
      totals.unreadable++;
      await stderr.write(`${shown(cannotRead(path, error).message)}\n${hintOfJob(path, error)}`);
      await stderr.flush();
      continue;
    }
    if (!verified.damage) totals.whole++;
    else (verified.extent?.isTornTail ? totals.torn : totals.damaged).push(path);
    await stdout.write(isJson ? toJson(verifiedJson(verified)) + "\n" : renderVerified(verified, style));
    // The shape of the document is fixed, and this is no finding.
    const notice = isJson ? headerNotice(verified) : "";
    if (notice !== "") await stderr.write(`${shown(path)}:\n${notice}`);
    // Whoever watches a directory of large logs being checked sees each result when it is known.
    await stdout.flush();
  }
  if (!isJson) await stdout.write(renderVerifyTotals(totals, isAll, style));
  if (totals.unreadable > 0) return ExitCode.FAILED;
  return totals.damaged.length + totals.torn.length > 0 ? ExitCode.FINDINGS : ExitCode.DONE;
}

/** Most other commands take the id of a job where this one takes files. */
function hintOfJob(word: string, error: unknown): string {
  if (!(error instanceof NotFound) || /[/.]/.test(word)) return "";
  return `  This takes paths of files. Where the log of a job is: airunner wal inspect ${
    shown(shellWord(word))
  }\n`;
}

/** Logs first, then archives as they are by then: a log that is archived meanwhile is checked there. */
async function* allPaths(context: Context, settings: Verify["settings"]): AsyncGenerator<string> {
  for (const { path, kind } of await listLogFiles(context, settings)) if (kind !== "archive") yield path;
  for (const { path, kind } of await listLogFiles(context, settings)) if (kind === "archive") yield path;
}

async function verifyOne(path: string, { context }: Verify): Promise<Verified> {
  const progress = new Progress(context);
  const { size } = await context.files.stat(path);
  return await verifyLog(
    context,
    path,
    (bytes, archived) => progress.watch(bytes, archived ? undefined : size),
  );
}

/** The fixed shape; the order of its keys is part of it. */
function verifiedJson({ path, damage, records, goodBytes, pending, sent, failed }: Verified) {
  return {
    schema_version: 1,
    path,
    ok: damage === undefined,
    problem: damage?.problem ?? null,
    problem_offset: damage?.offset ?? null,
    records,
    good_bytes: goodBytes,
    pending,
    sent,
    failed,
  };
}
