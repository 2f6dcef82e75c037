/**
 * `airunner doctor`: looks at everything that delivery depends on, and says what to type about what is not
 * well.
 */
import type { Call } from "../call.ts";
import { CHECKS } from "../../doctor/checks.ts";
import { readConfig } from "../settings/doctor_settings.ts";
import { type CheckResult, runChecks } from "../../doctor/finding.ts";
import type { DOCTOR_SETTINGS } from "../../doctor/probe.ts";
import { createSystemProbe } from "../../doctor/system_probe.ts";
import { ExitCode } from "../../screens/exit_code.ts";
import { toJson } from "../../platform/json.ts";
import { renderDoctor } from "../../screens/doctor_screen.ts";
import { commandLine } from "../options/repeated_options.ts";

type Doctor = Call<[], { json?: true }, (typeof DOCTOR_SETTINGS)[number]>;

export async function run(call: Doctor): Promise<number> {
  const { context, options, style } = call;
  const { settings, facts } = await readConfig(call);
  const hasServer = settings.server !== undefined;
  const command = (words: string) => commandLine(words, context.args, hasServer);
  const probe = createSystemProbe(settings, { ...context, command }, facts);
  const results = await runChecks(CHECKS, probe);
  await context.stdout.write(
    options.json ? toJson(doctorJson(results)) + "\n" : renderDoctor(results, style),
  );
  return results.some(({ level }) => level === "problem") ? ExitCode.FINDINGS : ExitCode.DONE;
}

function doctorJson(results: readonly CheckResult[]) {
  const count = (wanted: CheckResult["level"]) => results.filter(({ level }) => level === wanted).length;
  return {
    schema_version: 1,
    ok: count("problem") === 0,
    problems: count("problem"),
    warnings: count("warning"),
    checks: results.map(({ id, title, level, found, measured, cures }) => ({
      id,
      title,
      status: level,
      found,
      measured,
      cures: cures.map(([command, effect]) => ({ command, effect })),
    })),
  };
}
