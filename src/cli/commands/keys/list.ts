/**
 * `airunner keys list`: the key pairs of this user, and who may call a server.
 */
import { listCredentials } from "../../../client/list_credentials.ts";
import { type AuthorizedDirectory, readAuthorizedDirectory } from "../../../keys/authorized_directory.ts";
import { messageOf } from "../../../platform/error_text.ts";
import type { Files } from "../../../platform/files.ts";
import { toJson } from "../../../platform/json.ts";
import type { Call } from "../../call.ts";
import { CommandError } from "../../command_error.ts";
import { ExitCode } from "../../../screens/exit_code.ts";
import { type KeysScreen, renderKeys } from "../../../screens/keys_screen.ts";
import { keyDirectory } from "./key_pairs.ts";

type List = Call<[], { json?: true }, "authorizedKeys">;

export async function run({ context, options, settings, style }: List): Promise<number> {
  const directory = await keyDirectory(settings, context);
  const pairs = await listCredentials(context.files, directory);
  const authorized = settings.authorizedKeys === undefined
    ? undefined
    : { directory: settings.authorizedKeys, ...await authorizedIn(context.files, settings.authorizedKeys) };
  const screen: KeysScreen = { directory, pairs, authorized };
  await context.stdout.write(options.json ? toJson(keysJson(screen)) + "\n" : renderKeys(screen, style));
  const hasFaults = pairs.some(({ faults }) => faults.length > 0) || (authorized?.unusable.length ?? 0) > 0;
  return hasFaults ? ExitCode.FINDINGS : ExitCode.DONE;
}

async function authorizedIn(files: Files, directory: string): Promise<AuthorizedDirectory> {
  try {
    return await readAuthorizedDirectory(files, directory);
  } catch (error) {
    throw new CommandError(
      `Cannot read the authorized keys in ${directory}: ${messageOf(error)}`,
      ExitCode.FAILED,
      "Check --authorized-keys. `airunner keys authorize` makes the directory when it adds the first key.",
      { cause: error },
    );
  }
}

function keysJson({ directory, pairs, authorized }: KeysScreen) {
  return {
    schema_version: 1,
    directory,
    keys: pairs.map(({ name, isDefault, fingerprint, entry, faults, privateKeyPath, publicKeyPath }) => ({
      name,
      default: isDefault,
      fingerprint: fingerprint ?? null,
      org_id: entry.org_id ?? null,
      principal_id: entry.principal_id ?? null,
      imported: entry.imported ?? null,
      created_at: entry.created_at ?? null,
      private_key: privateKeyPath,
      public_key: publicKeyPath,
      faults,
    })),
    authorized: authorized === undefined ? null : {
      directory: authorized.directory,
      keys: authorized.keys.map(({ name, fingerprint, roles, saysRoles, path }) => ({
        name,
        fingerprint,
        roles: [...roles],
        roles_given: saysRoles,
        path,
      })),
      unusable: authorized.unusable,
    },
  };
}
