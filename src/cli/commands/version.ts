/**
 * `airunner version`.
 */
import type { Call } from "../call.ts";
import { ExitCode } from "../../screens/exit_code.ts";
import { toJson } from "../../platform/json.ts";
import { RUNTIME_VERSION, TARGET, VERSION } from "../../platform/version.ts";

export async function run({ context, options }: Call<[], { json?: true }>): Promise<number> {
  await context.stdout.write(options.json ? `${toJson(versionFacts())}\n` : `${VERSION}\n`);
  return ExitCode.DONE;
}

function versionFacts() {
  return {
    schema_version: 1,
    version: VERSION,
    log_format: "ARWAL001",
    protocol: "job.v1",
    deno: RUNTIME_VERSION,
    target: TARGET,
  };
}
