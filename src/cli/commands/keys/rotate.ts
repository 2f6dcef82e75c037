/**
 * `airunner keys rotate`: a new pair under the name of an old one, which is kept until nobody needs it.
 */
import { addCredentials } from "../../../client/create_credentials.ts";
import { findListed } from "../../../client/list_credentials.ts";
import { generateKeyPems } from "../../../client/private_key.ts";
import type { Call } from "../../call.ts";
import { ExitCode } from "../../../screens/exit_code.ts";
import { renderRotated } from "../../../screens/keys_screen.ts";
import { identityOf, keyDirectory } from "./key_pairs.ts";

type Rotate = Call<[string], object>;

export async function run({ context, args: [name], settings, style }: Rotate): Promise<number> {
  const directory = await keyDirectory(settings, context);
  const { entry } = await findListed(context.files, directory, name);
  const made = await addCredentials(context.files, directory, {
    name,
    pems: await generateKeyPems(),
    identity: identityOf({ org: entry.org_id, principal: entry.principal_id }, name),
    imported: false,
    replace: true,
  }, context.clock.nowMs());
  await context.stdout.write(renderRotated(name, made, style));
  return ExitCode.DONE;
}
