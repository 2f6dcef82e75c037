/**
 * `airunner keys authorize`: lets the owner of a key call a server, and says what for.
 */
import { findListed, publicKeyOf } from "../../../client/list_credentials.ts";
import { readKeyText } from "../../../keys/authorized_directory.ts";
import { type PublicKey, readPublicKey } from "../../../keys/authorized_file.ts";
import { type Authorized, authorizeKey } from "../../../keys/change_authorized.ts";
import { isKeyName, KEY_NAME_RULE } from "../../../keys/key_name.ts";
import { formatRoles } from "../../../keys/roles.ts";
import { messageOf } from "../../../platform/error_text.ts";
import { isMissing } from "../../../platform/files.ts";
import { fileName } from "../../../platform/path_names.ts";
import type { Call } from "../../call.ts";
import { CommandError, UsageError } from "../../command_error.ts";
import type { Context } from "../../context.ts";
import { ExitCode } from "../../../screens/exit_code.ts";
import { renderAuthorized } from "../../../screens/keys_screen.ts";
import { keyDirectory, requireAuthorizedKeys, rolesOf, spokenRoles } from "./key_pairs.ts";

type Authorize = Call<[string], { role: string[]; name?: string; force?: true }, "authorizedKeys">;

export async function run(call: Authorize): Promise<number> {
  const { context, args: [subject], options, settings, style } = call;
  const directory = requireAuthorizedKeys(settings);
  const roles = rolesOf(options.role);
  const { name, key } = await keyToAuthorize(context, settings, subject, options.name);
  let done: Authorized;
  try {
    done = await authorizeKey(context.files, directory, { name, key, roles, force: options.force ?? false });
  } catch (error) {
    throw new CommandError(
      `Cannot authorize "${name}" in ${directory}: ${messageOf(error)}. Nothing was changed.`,
      ExitCode.FAILED,
      "Type it as a user who may write to that directory.",
      { cause: error },
    );
  }
  switch (done.outcome) {
    case "other_roles":
      throw new CommandError(
        `The key is authorized already, as "${done.found.name}", for ${
          spokenRoles(done.found.saysRoles ? done.found.roles : undefined)
        }. Nothing was changed.`,
        ExitCode.FAILED,
        `Add --force to allow it ${formatRoles(roles!)} in place of that.`,
      );
    case "unusable":
      throw new CommandError(
        `There is a file of that name already, which is no key: ${done.path}: ${done.reason}. Nothing was changed.`,
        ExitCode.FAILED,
        "Look at it, then replace it with --force, or choose another name with --name=NAME.",
      );
    default:
      await context.stdout.write(renderAuthorized(name, key.fingerprint, done, style));
      return ExitCode.DONE;
  }
}

/** The public key of one of our pairs, or of a file. A word with a slash or a dot before `pub` is a file. */
async function keyToAuthorize(
  context: Context,
  settings: Authorize["settings"],
  subject: string,
  givenName: string | undefined,
): Promise<{ name: string; key: PublicKey }> {
  const isFile = subject.includes("/") || /\.(pub|pem)$/i.test(subject);
  const name = givenName ?? (isFile ? fileName(subject).replace(/\.(pub|pem)$/i, "") : subject);
  if (!isKeyName(name)) {
    throw new UsageError(
      `Cannot call a key ${JSON.stringify(name)}: a name ${KEY_NAME_RULE}`,
      "Add --name=NAME.",
    );
  }
  if (!isFile) {
    const pair = await findListed(context.files, await keyDirectory(settings, context), subject);
    return { name, key: await publicKeyOf(context.files, pair) };
  }
  try {
    return { name, key: await readPublicKey(await readKeyText(context.files, subject)) };
  } catch (error) {
    throw new CommandError(
      `Cannot authorize ${subject}: ${
        isMissing(error) ? "no such file" : messageOf(error)
      }. Nothing was changed.`,
      ExitCode.FAILED,
      "A public key is wanted, as `airunner keys export NAME` prints it.",
      { cause: error },
    );
  }
}
