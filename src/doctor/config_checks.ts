/**
 * Whether the configuration is what somebody meant it to be.
 */
import { counted, shellWord, shown } from "../platform/text.ts";
import { type Check, type Finding, ok, problem, warning } from "./finding.ts";
import type { ConfigFacts, DoctorSettings, Probe } from "./probe.ts";

const config: Check = {
  id: "config",
  title: "Configuration",
  async run(probe) {
    return judgeConfig(await probe.config(), probe.settings, probe);
  },
};

export function judgeConfig(
  { path, mistakes }: ConfigFacts,
  { sync }: Pick<DoctorSettings, "sync">,
  probe: Pick<Probe, "command">,
): Finding {
  const measured = { file: path ?? null, mistakes: mistakes.length, sync };
  if (mistakes.length > 0) {
    return problem(`${counted(mistakes.length, "mistake")}: ${shown(mistakes[0])}`, measured, [
      `airunner config validate${path === undefined ? "" : ` ${shellWord(path)}`}`,
      "shows each with its line, and what would be right",
    ]);
  }
  const place = path === undefined
    ? "there is no file; defaults, flags and environment hold"
    : `${shown(path)} is valid`;
  if (sync === "interval") {
    return warning(
      `${place}. Sync is interval: a power failure can lose the last 100 ms of output`,
      measured,
      [
        probe.command("config show --origin"),
        "shows where that was set; always is safe",
      ],
    );
  }
  return ok(place, measured);
}

export const CONFIG_CHECKS: readonly Check[] = [config];
