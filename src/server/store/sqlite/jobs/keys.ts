/**
 * The order in which jobs are listed, newest first, and the indexes that have it.
 *
 * A list begins with keys alone, which the indexes hold, and reads the rows of those that it shows:
 * parameters may be long, and jobs many.
 */
import type { JobState } from "../../../../events/gen/job/v1/job_pb.ts";
import { JobState as State } from "../../../../events/gen/job/v1/job_pb.ts";
import type { SqlValue } from "../sql.ts";

/** A job's place in the list. */
export interface JobKey {
  created: number;
  id: number;
}

/** Which keys: those of one queue, in some states, and older than a place. */
export interface KeyRange {
  /** Empty: every queue. */
  queue: string;
  /** Empty: every state. */
  states: readonly JobState[];
  /** Inclusive. */
  fromMs: number;
  /** Exclusive. */
  before: JobKey;
}

export interface Query {
  text: string;
  values: SqlValue[];
}

/** Later than any clock shows, and exactly a number. */
export const LAST_KEY: JobKey = { created: Number.MAX_SAFE_INTEGER, id: 0 };
const ALL_STATES = [State.SCHEDULED, State.RUNNING, State.COMPLETED, State.FAILED, State.CANCELLED];

/**
 * Selects `created` and `id`; a LIMIT may be put behind it. Each state of a queue lies in order in an index,
 * and SQLite merges them, so that the first rows cost no more than there are of them.
 */
export function keysInRange({ queue, states, fromMs, before }: KeyRange): Query {
  const place = "created_at_ms >= ? AND (created_at_ms, id) < (?, ?)";
  const bounds = [fromMs, before.created, before.id];
  const order = "ORDER BY created DESC, id DESC";
  const select = "SELECT created_at_ms AS created, id FROM jobs";
  if (queue === "" && states.length === 0) {
    return { text: `${select} WHERE ${place} ${order}`, values: bounds };
  }
  const parts = (states.length === 0 ? ALL_STATES : [...new Set(states)]).map((state): Query =>
    queue === ""
      ? { text: `${select} WHERE state = ? AND ${place}`, values: [state, ...bounds] }
      : { text: `${select} WHERE queue = ? AND state = ? AND ${place}`, values: [queue, state, ...bounds] }
  );
  return {
    text: `${parts.map(({ text }) => text).join(" UNION ALL ")} ${order}`,
    values: parts.flatMap(({ values }) => values),
  };
}
