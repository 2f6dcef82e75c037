/**
 * `airunner keys import`: a private key that another program made, as one of our pairs.
 */
import { addCredentials } from "../../../client/create_credentials.ts";
import { readKeyText } from "../../../keys/authorized_directory.ts";
import { type KeyPems, keyPemsOf } from "../../../client/private_key.ts";
import { messageOf } from "../../../platform/error_text.ts";
import { type Files, isMissing } from "../../../platform/files.ts";
import { fileName } from "../../../platform/path_names.ts";
import type { Call } from "../../call.ts";
import { CommandError } from "../../command_error.ts";
import { ExitCode } from "../../../screens/exit_code.ts";
import { renderNewPair } from "../../../screens/keys_screen.ts";
import { identityOf, type IdentityOptions, keyDirectory } from "./key_pairs.ts";

type Import = Call<[string], IdentityOptions & { name?: string; force?: true }>;

export async function run({ context, args: [path], options, settings, style }: Import): Promise<number> {
  const pems = await readPair(context.files, path);
  const name = options.name ?? fileName(path).replace(/\.(key|pem)$/i, "");
  const directory = await keyDirectory(settings, context);
  const made = await addCredentials(context.files, directory, {
    name,
    pems,
    identity: identityOf(options, name),
    imported: true,
    replace: options.force ?? false,
  }, context.clock.nowMs());
  await context.stdout.write(renderNewPair("Imported", name, made, style));
  return ExitCode.DONE;
}

async function readPair(files: Files, path: string): Promise<KeyPems> {
  try {
    return await keyPemsOf(await readKeyText(files, path));
  } catch (error) {
    throw new CommandError(
      `Cannot import ${path}: ${isMissing(error) ? "no such file" : messageOf(error)}. Nothing was changed.`,
      ExitCode.FAILED,
      "A private key is wanted, in SEC1 or PKCS#8 PEM, on the curve P-256: openssl ecparam -name prime256v1 -genkey",
      { cause: error },
    );
  }
}
