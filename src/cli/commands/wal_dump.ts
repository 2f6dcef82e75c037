/**
 * `airunner wal dump --raw`: the job's output, byte for byte.
 */
import { decodeEvent, outputOf } from "../../events/event.ts";
import type { Call } from "../call.ts";
import { CommandError, UsageError } from "../command_error.ts";
import { ExitCode } from "../exit_code.ts";
import { locateLog } from "../locate.ts";
import { scanBytes } from "../log_scan.ts";
import { cannotRead, openLog, spoolStdin } from "../log_source.ts";
import { damageMeaning, healthLine } from "../render/health.ts";
import { counted } from "../render/text.ts";
import { SeenSequences } from "../seen_sequences.ts";
import { writerOf } from "../writer.ts";

type Dump = Call<[string], { raw?: true }, "walDir" | "archiveDir">;

export async function run({ context, args: [target], options, settings }: Dump): Promise<number> {
  if (!options.raw) {
    throw new UsageError("Cannot dump without a form: add --raw for the output's exact bytes");
  }
  const { path, notes } = target === "-" ? { path: "-", notes: [] } : await locateLog(target, settings);
  for (const note of notes) await context.stderr.write(`${note}\n`);
  await context.stderr.flush();
  const file = path === "-" ? await spoolStdin(context) : path;
  const seen = new SeenSequences();
  let undecodable = 0;
  try {
    const { bytes } = await openLog(file);
    const scan = await scanBytes(bytes, async (record, kind) => {
      // Another writer may have logged an event again with its new status; a server keeps the first, so do we.
      if (kind !== "event" || !seen.add(record.sequence)) return;
      const event = decodeEvent(record.payload);
      if (!event) undecodable++;
      else for (const piece of outputOf(event)) await context.stdout.write(piece.bytes);
    });
    await context.stdout.flush();
    const beingWritten = scan.damage?.problem === "torn_record" && path !== "-" &&
      await writerOf(file) !== undefined;
    if (scan.damage && !beingWritten) {
      throw new CommandError(
        `${path} is ${healthLine(scan)}. ${capitalized(damageMeaning(scan))}. ` +
          "The output from before the damage was written; the log was not changed.",
      );
    }
  } catch (error) {
    throw cannotRead(path, error);
  }
  if (undecodable > 0) {
    throw new CommandError(
      `Cannot decode ${counted(undecodable, "event")} of ${path}; what output they held is missing.`,
    );
  }
  return ExitCode.DONE;
}

function capitalized(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
