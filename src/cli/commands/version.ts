/**
 * `airunner version`.
 */
import type { Call } from "../call.ts";
import { ExitCode } from "../exit_code.ts";
import { VERSION } from "../version.ts";

export async function run({ context }: Call<[], Record<never, never>>): Promise<number> {
  await context.stdout.write(`${VERSION}\n`);
  return ExitCode.DONE;
}
