/**
 * `airunner keys show`: what is known of one key pair, and its public half.
 */
import { findListed, publicKeyOf } from "../../../client/list_credentials.ts";
import { toJson } from "../../../platform/json.ts";
import type { Call } from "../../call.ts";
import { ExitCode } from "../../../screens/exit_code.ts";
import { renderPair } from "../../../screens/keys_screen.ts";
import { keyDirectory } from "./key_pairs.ts";

type Show = Call<[string], { json?: true }>;

export async function run({ context, args: [name], options, settings }: Show): Promise<number> {
  const pair = await findListed(context.files, await keyDirectory(settings, context), name);
  const { pem } = await publicKeyOf(context.files, pair);
  const { isDefault, fingerprint, entry, faults } = pair;
  await context.stdout.write(
    options.json
      ? toJson({
        schema_version: 1,
        name,
        default: isDefault,
        fingerprint,
        org_id: entry.org_id ?? null,
        principal_id: entry.principal_id ?? null,
        created_at: entry.created_at ?? null,
        public_key: pem,
        faults,
      }) + "\n"
      : renderPair(pair, pem),
  );
  return ExitCode.DONE;
}
