/**
 * Events in SQLite: each method is one of the folder `events/`. An event's arrival is its row's id.
 */
import type { EventStore } from "../contract.ts";
import { asked } from "./asked.ts";
import { append } from "./events/append.ts";
import { checksum } from "./events/checksum.ts";
import { arrivals, history, lastArrival } from "./events/pages.ts";
import type { Journal } from "./journal.ts";
import type { Sql } from "./sql.ts";
import type { Turns } from "./turns.ts";

export function createEventStore(sql: Sql, turns: Turns, journal: Journal): EventStore {
  return {
    append: (batches, nowMs) => append(sql, journal, batches, nowMs),
    lastArrival: asked(sql, lastArrival),
    history: asked(sql, history),
    arrivals: asked(sql, arrivals),
    checksum: (executionId, from, to) => checksum(sql, turns, journal, executionId, from, to),
  };
}
