/**
 * `airunner wal verify`: reads every byte of every file, and writes nothing.
 */
import type { Call } from "../call.ts";
import { ExitCode } from "../exit_code.ts";
import { toJson } from "../json.ts";
import { scanBytes } from "../log_scan.ts";
import { cannotRead, openLog } from "../log_source.ts";
import { renderVerified, renderVerifyTotals } from "../render/verify_screen.ts";
import { shown } from "../render/text.ts";

export async function run(
  { context, args: [paths], options, style }: Call<[string[]], { json?: true }>,
): Promise<number> {
  const { stdout, stderr } = context;
  const totals = { whole: 0, unreadable: 0, damaged: [] as string[] };
  for (const path of paths) {
    let verified: Verified;
    try {
      verified = await verifyFile(path);
    } catch (error) {
      // One file that cannot be read must not hide damage in the next.
      totals.unreadable++;
      await stderr.write(`${shown(cannotRead(path, error).message)}\n`);
      await stderr.flush();
      continue;
    }
    if (verified.damage) totals.damaged.push(path);
    else totals.whole++;
    await stdout.write(
      options.json ? toJson(verifiedJson(verified)) + "\n" : renderVerified(verified, style),
    );
    // Whoever watches a directory of large logs being checked sees each result when it is known.
    await stdout.flush();
  }
  if (!options.json) await stdout.write(renderVerifyTotals(totals, style));
  if (totals.unreadable > 0) return ExitCode.FAILED;
  return totals.damaged.length > 0 ? ExitCode.FINDINGS : ExitCode.DONE;
}

type Verified = Awaited<ReturnType<typeof verifyFile>>;

async function verifyFile(path: string) {
  const { bytes } = await openLog(path);
  const { ledger, ...scan } = await scanBytes(bytes, () => {});
  const { pending, sent, failed } = ledger;
  return { path, ...scan, pending, sent, failed };
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
