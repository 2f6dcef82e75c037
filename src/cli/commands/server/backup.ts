/**
 * `airunner server backup`: a copy of the database, from a running server or a stopped one.
 */
import { backUp } from "../../../server/store/sqlite/upkeep/backup.ts";
import { size } from "../../../config/value_type.ts";
import { toJson } from "../../../platform/json.ts";
import type { Call } from "../../call.ts";
import { UsageError } from "../../command_error.ts";
import { ExitCode } from "../../../screens/exit_code.ts";
import { renderBackup, verificationJson } from "../../../screens/database_screen.ts";
import { withUpkeep } from "./upkeep_call.ts";

type Backup = Call<[string], { rate: string; json?: true }, "data">;

const RATES = size(0);

export async function run(
  { context, args: [target], options, settings: { data }, style }: Backup,
): Promise<number> {
  const rate = RATES.parse(options.rate);
  if (rate === undefined) {
    throw new UsageError(
      `Cannot read --rate: expected ${RATES.expected}, found ${JSON.stringify(options.rate)}`,
    );
  }
  const backup = await withUpkeep(
    context,
    `Nothing was left of ${target}.`,
    (upkeep) => backUp(data, target, { ...upkeep, rateBytes: rate === 0 ? Infinity : rate }),
  );
  await context.stdout.write(
    options.json
      ? toJson({
        ...verificationJson(backup.path, backup.verification),
        file_bytes: backup.fileBytes,
        source: data,
      }) + "\n"
      : renderBackup({ source: data, ...backup }, style),
  );
  return ExitCode.DONE;
}
