/**
 * What a check of `airunner doctor` says: how things stand, what was measured, and what to type about it.
 */
import type { Probe } from "./probe.ts";

/** `skipped`: it could not be looked at, or there is nothing to look at, and the text says why. */
export type Level = "ok" | "warning" | "problem" | "skipped";

/** A command to paste, and what it does. */
export type Cure = readonly [command: string, effect: string];

export interface Finding {
  readonly level: Level;
  /** What was found, with the numbers that were measured; whether data is safe when it is a problem. */
  readonly found: string;
  /** The same numbers for programs. */
  readonly measured: Readonly<Record<string, number | string | boolean | null>>;
  readonly cures: readonly Cure[];
}

type Measured = Finding["measured"];

export function ok(found: string, measured: Measured = {}): Finding {
  return { level: "ok", found, measured, cures: [] };
}

export function skipped(found: string, ...cures: Cure[]): Finding {
  return { level: "skipped", found, measured: {}, cures };
}

/** Nothing is lost and nothing stands still, but somebody should know. */
export function warning(found: string, measured: Measured, ...cures: Cure[]): Finding {
  return { level: "warning", found, measured, cures };
}

/** Something does not work, or will not for long. */
export function problem(found: string, measured: Measured, ...cures: Cure[]): Finding {
  return { level: "problem", found, measured, cures };
}

export interface Check {
  /** For programs; never changes. */
  readonly id: string;
  readonly title: string;
  /** It measures times that other checks would disturb. */
  readonly alone?: true;
  run(probe: Probe): Promise<Finding>;
}

export interface CheckResult extends Finding {
  readonly id: string;
  readonly title: string;
}

/**
 * All results in the order of the table. A check that fails is a problem of its own and does not keep the
 * others.
 */
export async function runChecks(checks: readonly Check[], probe: Probe): Promise<CheckResult[]> {
  const results = new Map<Check, CheckResult>();
  const runOne = async (check: Check) => {
    const { id, title } = check;
    results.set(check, { id, title, ...await findingOf(check, probe) });
  };
  for (const check of checks) if (check.alone) await runOne(check);
  await Promise.all(checks.filter(({ alone }) => !alone).map(runOne));
  return checks.map((check) => results.get(check)!);
}

async function findingOf(check: Check, probe: Probe): Promise<Finding> {
  try {
    return await check.run(probe);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return problem(`this could not be checked: ${why}`, {});
  }
}
