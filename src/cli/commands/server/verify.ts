/**
 * `airunner server verify`: reads every row of a database, and writes nothing.
 */
import { verifyFile } from "../../../server/store/sqlite/upkeep/verify_file.ts";
import { toJson } from "../../../platform/json.ts";
import type { Call } from "../../call.ts";
import { ExitCode } from "../../../screens/exit_code.ts";
import { renderVerification, verificationJson } from "../../../screens/database_screen.ts";
import { withUpkeep } from "./upkeep_call.ts";

type Verify = Call<[string | undefined], { json?: true }, "data">;

export async function run({ context, args: [named], options, settings, style }: Verify): Promise<number> {
  const path = named ?? settings.data;
  const verification = await withUpkeep(
    context,
    "Nothing was changed.",
    (upkeep) => verifyFile(path, upkeep),
  );
  await context.stdout.write(
    options.json
      ? toJson(verificationJson(path, verification)) + "\n"
      : renderVerification(path, verification, style),
  );
  return verification.problemCount + verification.gapCount > 0 ? ExitCode.FINDINGS : ExitCode.DONE;
}
