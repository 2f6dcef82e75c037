/**
 * Whether a worker delivers, and if not, why: one sentence a reason, for /readyz. Pure.
 */

export interface ReadinessFacts {
  isStopping: boolean;
  /** Whether the logs that were there when the worker started have been looked through. */
  isSurveyed: boolean;
  writeFailure: "no_space" | "io" | undefined;
  /** Why jobs' output is not read. */
  lackOfRoom: string | undefined;
  /** Names of logs that take no more. */
  sealedLogs: readonly string[];
  /** The oldest event that the server lacks, and the name of its log. */
  oldest: { ageMs: number; log: string } | undefined;
  unsentAgeMaxMs: number;
}

/** Empty: it delivers. */
export function reasonsNotReady(facts: ReadinessFacts): string[] {
  const reasons: string[] = [];
  if (facts.isStopping) reasons.push("the worker is stopping and takes no more jobs");
  if (!facts.isSurveyed) {
    reasons.push("the directory of the logs was not looked through yet, or cannot be read");
  }
  if (facts.writeFailure !== undefined) {
    const why = facts.writeFailure === "no_space" ? "no space left on device" : "the disk reports an error";
    reasons.push(`appends fail: ${why}; jobs are paused and nothing is lost`);
  }
  if (facts.lackOfRoom !== undefined) reasons.push(`the disk budget is reached: ${facts.lackOfRoom}`);
  for (const log of facts.sealedLogs) {
    reasons.push(`a log is sealed: ${log} takes no more events; what was durable is delivered`);
  }
  const { oldest, unsentAgeMaxMs } = facts;
  if (oldest !== undefined && oldest.ageMs > unsentAgeMaxMs) {
    reasons.push(
      `the oldest unsent event is ${span(oldest.ageMs)} old, and ${
        span(unsentAgeMaxMs)
      } is the limit: ${oldest.log}`,
    );
  }
  return reasons;
}

/** The two largest units: `3d4h`, `5m12s`, `250ms`. */
function span(durationMs: number): string {
  if (durationMs < 1000) return `${Math.round(durationMs)}ms`;
  const seconds = Math.floor(durationMs / 1000);
  const parts = [
    [Math.floor(seconds / 86_400), "d"],
    [Math.floor(seconds / 3600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "m"],
    [seconds % 60, "s"],
  ] as const;
  const first = parts.findIndex(([amount]) => amount > 0);
  return parts.slice(first, first + 2).filter(([amount]) => amount > 0).map(([amount, unit]) => amount + unit)
    .join("");
}
