/**
 * `airunner keys revoke`: ends what a key may do at a server.
 */
import { readKeyText } from "../../../keys/authorized_directory.ts";
import { readPublicKey } from "../../../keys/authorized_file.ts";
import { type Revoked, revokeKey } from "../../../keys/change_authorized.ts";
import { messageOf } from "../../../platform/error_text.ts";
import { isMissing } from "../../../platform/files.ts";
import type { Call } from "../../call.ts";
import { CommandError } from "../../command_error.ts";
import type { Context } from "../../context.ts";
import { ExitCode } from "../../../screens/exit_code.ts";
import { renderKeyLines, renderRevoked } from "../../../screens/keys_screen.ts";
import { requireAuthorizedKeys } from "./key_pairs.ts";

type Revoke = Call<[string], object, "authorizedKeys">;

export async function run({ context, args: [subject], settings }: Revoke): Promise<number> {
  const directory = requireAuthorizedKeys(settings);
  let done: Revoked;
  try {
    done = await revokeKey(context.files, directory, await subjectOf(context, subject));
  } catch (error) {
    throw new CommandError(
      `Cannot revoke "${subject}" in ${directory}: ${
        isMissing(error) ? "there is no such directory" : messageOf(error)
      }. It may still be in force.`,
      ExitCode.FAILED,
      "Type it as a user who may write to that directory, then look: airunner keys list --authorized-keys=DIR",
      { cause: error },
    );
  }
  switch (done.outcome) {
    case "unknown":
      throw new CommandError(
        `No key in ${directory} is "${subject}". Nothing was changed.`,
        ExitCode.FAILED,
        done.keys.length === 0 ? "There is none in it." : `It has:\n${renderKeyLines(done.keys)}`,
      );
    case "several":
      throw new CommandError(
        `"${subject}" stands for more than one key. Nothing was changed.`,
        ExitCode.FAILED,
        `Type the fingerprint of the one that is to go:\n${renderKeyLines(done.keys)}`,
      );
    default:
      await context.stdout.write(renderRevoked(subject, done));
      return ExitCode.DONE;
  }
}

/** A file of a key stands for its fingerprint. */
async function subjectOf({ files }: Context, subject: string): Promise<string> {
  if (!subject.includes("/")) return subject.replace(/\.pub$/, "");
  return (await readPublicKey(await readKeyText(files, subject))).fingerprint;
}
