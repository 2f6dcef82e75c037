/**
 * `airunner config init`: a configuration file to begin with.
 */
import { configTemplate } from "../../config/config_template.ts";
import { writeConfigFile } from "../../config/write_config_file.ts";
import type { Call } from "../call.ts";
import { CommandError } from "../command_error.ts";
import { ExitCode } from "../../screens/exit_code.ts";
import { shellWord, shown } from "../../platform/text.ts";

type Init = Call<[], { force?: true }>;

export async function run({ context, options, loaded: { locations } }: Init): Promise<number> {
  const path = locations.named?.path ?? locations.candidates[0];
  if (path === undefined) {
    throw new CommandError(
      "Cannot tell where to write: there is no home directory",
      ExitCode.CONFIGURATION,
      "Set HOME, or add --config=FILE.",
    );
  }
  const word = shellWord(path);
  const named = locations.named === undefined ? "" : ` --config=${word}`;
  let isWritten: boolean;
  try {
    isWritten = await writeConfigFile(context.files, path, configTemplate(), options.force ?? false);
  } catch (error) {
    throw new CommandError(
      `Cannot write ${path}: ${(error as Error).message}. What was there before is unchanged.`,
      ExitCode.FAILED,
      "Choose another place with --config=FILE.",
      { cause: error },
    );
  }
  if (!isWritten) {
    throw new CommandError(
      `There is a configuration file already, and it was left as it is: ${path}`,
      ExitCode.FAILED,
      `Look at it with \`airunner config show --origin${named}\`, or replace it with \`airunner config init --force${named}\`.`,
    );
  }
  const kept = options.force ? `What was there before is in ${shown(path)}.bak.\n` : "";
  await context.stdout.write(
    `Wrote ${shown(path)}: every setting with its default, behind a #.\n${kept}` +
      `Edit it, then type: airunner config validate${named}\n`,
  );
  return ExitCode.DONE;
}
