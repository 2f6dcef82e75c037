/**
 * `airunner completion`: a script for a shell.
 */
import type { Call } from "../call.ts";
import { UsageError } from "../command_error.ts";
import { bashScript } from "../completion/bash.ts";
import { commandWords } from "../completion/command_words.ts";
import { fishScript } from "../completion/fish.ts";
import { type Shell, SHELLS } from "../completion/shells.ts";
import { zshScript } from "../completion/zsh.ts";
import { ExitCode } from "../../screens/exit_code.ts";

const SCRIPTS = { bash: bashScript, zsh: zshScript, fish: fishScript } satisfies Record<Shell, unknown>;

export async function run({ context, args: [shell], root }: Call<[string], object>): Promise<number> {
  const known = SHELLS.find((name) => name === shell.toLowerCase());
  if (known === undefined) {
    throw new UsageError(`Unknown shell ${JSON.stringify(shell)}: expected one of ${SHELLS.join(", ")}`);
  }
  await context.stdout.write(SCRIPTS[known](commandWords(root)));
  return ExitCode.DONE;
}
