/**
 * The mark that says in a log that its job's end is settled with the server. It is written when the server
 * has answered, so that whoever opens the log later neither asks again nor takes it for one that still has to
 * be completed. Losing it costs one more call.
 *
 * It is an acknowledgement of a sequence below that of every event, so that it settles no event for any
 * reader:
 *
 *     status 2, no payload   sequence -2^63       completed     the server has the job's result
 *                            sequence -2^63 + 1   superseded    a later execution has the job, and its result
 *                            sequence -2^63 + 2   refused       the server provably knows no such job
 *                            sequence -2^63 + 3   differs       the server has the job's result, and it has
 *                                                               other events than the log
 *
 * A log has several only when somebody tried again; the last one counts, and none from before an adoption.
 */
import { type RecordFields, SEQUENCE_MIN, Status } from "./format.ts";

export const COMPLETION_MARKS = ["completed", "superseded", "refused", "differs"] as const;
export type CompletionMark = (typeof COMPLETION_MARKS)[number];

export function completionRecord(mark: CompletionMark, timestampMs: bigint): RecordFields {
  const sequence = SEQUENCE_MIN + BigInt(COMPLETION_MARKS.indexOf(mark));
  return { sequence, status: Status.SENT, timestampMs, payload: new Uint8Array() };
}

/** The mark in a record, or undefined when it is another one. */
export function completionMark(
  { sequence, status, payload }: Pick<RecordFields, "sequence" | "status" | "payload">,
): CompletionMark | undefined {
  if (status !== Status.SENT || payload.length > 0) return undefined;
  const index = sequence - SEQUENCE_MIN;
  return index < COMPLETION_MARKS.length ? COMPLETION_MARKS[Number(index)] : undefined;
}

/**
 * What is known of a job's end. `due`: it has ended, and the server is not known to have its result.
 * Undefined: it has not ended, or nobody can complete it, because its token is not there.
 */
export type CompletionState = CompletionMark | "due" | undefined;

export function completionState(
  found: { hasEnded: boolean; hasToken: boolean; mark: CompletionMark | undefined },
): CompletionState {
  if (found.mark !== undefined) return found.mark;
  return found.hasEnded && found.hasToken ? "due" : undefined;
}

interface HowFar {
  readonly pending: number;
  readonly completion?: CompletionState | null;
}

/** As `isUncompleted`, and whoever tries again may well succeed. */
export function isCompletionDue(facts: HowFar): boolean {
  return isUncompleted(facts) && facts.completion !== "refused";
}

/**
 * Everything was sent, and the server refuses to hear how the job ended, or was not told yet, or has not
 * stored what it was sent.
 */
export function isUncompleted({ pending, completion }: HowFar): boolean {
  return pending === 0 && !isSettled(completion);
}

/** Whether nobody has to send or tell anything any more, as far as the job's end goes. */
export function isSettled(completion: CompletionState | null): boolean {
  return completion !== "due" && completion !== "refused" && completion !== "differs";
}
