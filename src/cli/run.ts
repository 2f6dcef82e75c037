/**
 * One run of the program: arguments in, exit code out, whatever happens in between.
 */
import type { Context } from "./context.ts";
import { ExitCode } from "../screens/exit_code.ts";
import { OutputClosedError } from "../screens/output.ts";
import { createProgram } from "./program.ts";
import { reportError } from "./report.ts";

/** Resolves to the exit code; never rejects for an error of a command. Log lines go to `logSink`. */
export async function run(context: Context, logSink: (line: string) => void): Promise<number> {
  const interrupted = Promise.withResolvers<number>();
  // Holds until a command takes over, as those do that have something to end in order.
  const release = context.signals.take(() => interrupted.resolve(ExitCode.INTERRUPTED));
  try {
    return await Promise.race([execute(context, logSink), interrupted.promise]);
  } finally {
    release();
  }
}

async function execute(context: Context, logSink: (line: string) => void): Promise<number> {
  const program = createProgram(context, logSink);
  let exitCode: number;
  let lines: string[] = [];
  let isUsage = false;
  try {
    exitCode = await program.run();
    await context.stdout.flush();
  } catch (error) {
    // What was printed before the error comes before it.
    ({ exitCode, lines } = reportError(error, wantsDebug(context)));
    isUsage = exitCode === ExitCode.USAGE;
    if (exitCode !== ExitCode.DONE) exitCode = program.exitCodeOfOurs() ?? exitCode;
  }
  try {
    await context.stdout.write(program.printed.stdout);
    await context.stdout.flush();
  } catch (error) {
    if (!(error instanceof OutputClosedError)) throw error;
  }
  try {
    const hint = isUsage && lines.length > 0 ? [`Type \`${program.helpLine()}\` for help.`] : [];
    await context.stderr.write(
      program.printed.stderr + [...lines, ...hint].map((line) => line + "\n").join(""),
    );
    await context.stderr.flush();
  } catch (error) {
    // Nobody is there to read the message; the exit code still says what happened.
    if (!(error instanceof OutputClosedError)) throw error;
  }
  return exitCode;
}

/** Looked at without the parser: the error may be the parser's own. Words after `--` are a job's. */
function wantsDebug(context: Context): boolean {
  const end = context.args.indexOf("--");
  return context.args.slice(0, end < 0 ? undefined : end).includes("--debug");
}
