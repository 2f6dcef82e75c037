/**
 * `airunner keys new`: a key pair of one's own.
 */
import { addCredentials } from "../../../client/create_credentials.ts";
import { generateKeyPems } from "../../../client/private_key.ts";
import type { Call } from "../../call.ts";
import { ExitCode } from "../../../screens/exit_code.ts";
import { renderNewPair } from "../../../screens/keys_screen.ts";
import { identityOf, type IdentityOptions, keyDirectory } from "./key_pairs.ts";

type New = Call<[string], IdentityOptions & { force?: true }>;

export async function run({ context, args: [name], options, settings, style }: New): Promise<number> {
  const directory = await keyDirectory(settings, context);
  const made = await addCredentials(context.files, directory, {
    name,
    pems: await generateKeyPems(),
    identity: identityOf(options, name),
    imported: false,
    replace: options.force ?? false,
  }, context.clock.nowMs());
  await context.stdout.write(renderNewPair("Made", name, made, style));
  return ExitCode.DONE;
}
