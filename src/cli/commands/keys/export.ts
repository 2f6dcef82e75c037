/**
 * `airunner keys export`: the public half of a pair, or, when that is what was asked for, the private one.
 */
import { findListed, type ListedCredentials, publicKeyOf } from "../../../client/list_credentials.ts";
import { readPrivatePem } from "../../../client/credentials.ts";
import { keyPemsOf } from "../../../client/private_key.ts";
import { messageOf } from "../../../platform/error_text.ts";
import { writeSmallFile } from "../../../platform/small_file.ts";
import { shellWord, shown } from "../../../platform/text.ts";
import type { Call } from "../../call.ts";
import { CommandError, UsageError } from "../../command_error.ts";
import type { Context } from "../../context.ts";
import { ExitCode } from "../../../screens/exit_code.ts";
import { keyDirectory } from "./key_pairs.ts";

type Export = Call<[string], { private?: true; output?: string; force?: true }>;

export async function run({ context, args: [name], options, settings }: Export): Promise<number> {
  const pair = await findListed(context.files, await keyDirectory(settings, context), name);
  if (options.private && options.output === undefined) {
    throw new UsageError(
      "A private key is not shown unasked: say where it is to go, with --output=FILE, or --output=- for here",
    );
  }
  const text = options.private
    ? await privateKeyOf(context, pair)
    : (await publicKeyOf(context.files, pair)).pem;
  const path = options.output ?? "-";
  if (path === "-") {
    await context.stdout.write(text);
    return ExitCode.DONE;
  }
  await writeKey(context, path, text, options);
  const what = options.private ? "private key" : "public key";
  await context.stderr.write(
    `Wrote the ${what} of ${shown(name)} to ${shown(path)}${
      options.private ? ", which only you may read. Whoever has it is you; delete it when it has arrived" : ""
    }\n`,
  );
  return ExitCode.DONE;
}

/** In SEC1, whatever form it is kept in. */
async function privateKeyOf({ files }: Context, { privateKeyPath }: ListedCredentials): Promise<string> {
  return (await keyPemsOf(await readPrivatePem(files, privateKeyPath))).privatePem;
}

async function writeKey(
  { files }: Context,
  path: string,
  text: string,
  options: { private?: true; force?: true },
): Promise<void> {
  const permissions = options.private ? 0o600 : 0o644;
  const replace = options.force ?? false;
  let isWritten: boolean;
  try {
    isWritten = await writeSmallFile({ files, path, text, permissions, replace });
  } catch (error) {
    throw new CommandError(
      `Cannot write ${path}: ${messageOf(error)}. What was there before is unchanged.`,
      ExitCode.FAILED,
      "Choose another place with --output=FILE.",
      { cause: error },
    );
  }
  if (isWritten) return;
  throw new CommandError(
    `There is a file already, and it was left as it is: ${path}`,
    ExitCode.FAILED,
    `Choose another name, or replace it with --force. It may hold a key: look first, with cat ${
      shellWord(path)
    }`,
  );
}
