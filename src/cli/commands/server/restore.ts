/**
 * `airunner server restore`: a backup becomes the database of a server.
 */
import { restore } from "../../../server/store/sqlite/upkeep/restore.ts";
import { toJson } from "../../../platform/json.ts";
import { dirname } from "node:path";
import type { Call } from "../../call.ts";
import { ExitCode } from "../../../screens/exit_code.ts";
import { renderRestored, verificationJson } from "../../../screens/database_screen.ts";
import { createDirectory } from "../create_directory.ts";
import { withUpkeep } from "./upkeep_call.ts";

type Restore = Call<[string], { json?: true }, "data">;

export async function run(
  { context, args: [backup], options, settings: { data }, style }: Restore,
): Promise<number> {
  await createDirectory(context.files, dirname(data));
  const verification = await withUpkeep(
    context,
    `Nothing was left of ${data}.`,
    (upkeep) => restore(backup, data, upkeep),
  );
  await context.stdout.write(
    options.json
      ? toJson({ ...verificationJson(data, verification), source: backup }) + "\n"
      : renderRestored({ source: backup, path: data, verification }, style),
  );
  return ExitCode.DONE;
}
