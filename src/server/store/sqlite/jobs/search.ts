/**
 * Lists of jobs as people ask for them: by queue, state, age, metadata, and a piece of text; page by key.
 *
 * What an index has is asked of the index. For the rest, keys are taken in pieces, and other calls get their
 * turn in between: a text that no job of a million has is looked for in all of them.
 */
import type { SearchFilter, SearchPage } from "../../contract.ts";
import type { Sql } from "../sql.ts";
import type { Turns } from "../turns.ts";
import { type JobKey, keysInRange, LAST_KEY, type Query } from "./keys.ts";
import { findLatest, type JobRow, toExecution, toJob } from "./rows.ts";

/** Looked through in about five milliseconds. */
const PIECE_KEYS = 2_000;
/** Of parameters and results, on one page: those of 500 jobs may be gigabytes. */
const PAGE_BYTES_MAX = 16 * 1024 * 1024;

export async function search(sql: Sql, turns: Turns, filter: SearchFilter): Promise<SearchPage> {
  const needed = filter.pageSize + 1;
  const found: JobKey[] = [];
  const isExact = filter.text === "" && Object.keys(filter.metadata).length === 0;
  const piece = isExact ? needed : Math.max(needed, PIECE_KEYS);
  for (let before = firstPlace(filter);;) {
    const { text, values } = keysOf(filter, before);
    const keys = sql.read(() => sql.rows<JobKey>(`${text} LIMIT ?`, ...values, piece));
    found.push(...isExact ? keys : sql.read(() => matching(sql, filter, keys)));
    if (found.length >= needed || keys.length < piece) break;
    before = keys.at(-1)!;
    await turns.next();
  }
  return sql.read(() => readPage(sql, found.slice(0, needed), filter.pageSize));
}

function firstPlace({ before, createdBeforeMs }: SearchFilter): JobKey {
  const bound = createdBeforeMs === undefined ? LAST_KEY : { created: createdBeforeMs, id: 0 };
  if (before === undefined) return bound;
  const place = parsePlace(before);
  return place.created < bound.created ? place : bound;
}

function parsePlace(text: string): JobKey {
  const match = /^(\d{1,15})\.(\d{1,15})$/.exec(text);
  if (!match) throw new RangeError("This is no position in a list of jobs");
  return { created: Number(match[1]), id: Number(match[2]) };
}

/** Metadata comes first, since it is the likelier to be rare. */
function keysOf(filter: SearchFilter, before: JobKey): Query {
  const fromMs = filter.createdFromMs ?? 0;
  const [pair] = Object.entries(filter.metadata);
  if (pair === undefined) {
    return keysInRange({ queue: filter.queue, states: filter.states, fromMs, before });
  }
  return {
    text: `SELECT created_at_ms AS created, job AS id FROM job_metadata
           WHERE name = ? AND value = ? AND created_at_ms >= ? AND (created_at_ms, job) < (?, ?)
           ORDER BY created DESC, id DESC`,
    values: [...pair, fromMs, before.created, before.id],
  };
}

/** Those among the keys whose jobs meet the filter, in the order of the keys. */
function matching(sql: Sql, filter: SearchFilter, keys: readonly JobKey[]): JobKey[] {
  let left = keys;
  const keep = (text: string, ...values: string[]) => {
    if (left.length === 0) return;
    const ids = JSON.stringify(left.map(({ id }) => id));
    const kept = new Set(sql.rows<{ id: number }>(text, ids, ...values).map(({ id }) => id));
    left = left.filter(({ id }) => kept.has(id));
  };
  const pairs = Object.entries(filter.metadata);
  if (pairs.length > 0) {
    keep(
      `SELECT id FROM jobs WHERE id IN (SELECT value FROM json_each(?))
       AND (? = '' OR queue = ?) AND (? = '[]' OR state IN (SELECT value FROM json_each(?)))`,
      filter.queue,
      filter.queue,
      JSON.stringify(filter.states),
      JSON.stringify(filter.states),
    );
  }
  for (const [name, value] of pairs.slice(1)) {
    keep(
      `SELECT job AS id FROM job_metadata
       WHERE job IN (SELECT value FROM json_each(?)) AND name = ? AND value = ?`,
      name,
      value,
    );
  }
  if (filter.text !== "") {
    keep(
      "SELECT job AS id FROM job_texts WHERE job IN (SELECT value FROM json_each(?)) AND instr(lower(text), ?) > 0",
      // As SQLite's lower() does.
      filter.text.replace(/[A-Z]/g, (letter) => letter.toLowerCase()),
    );
  }
  return [...left];
}

/** The latest result counts as well: whoever lists jobs is shown it. */
const LENGTH = `
  SELECT length(params) + coalesce((SELECT length(result) FROM executions WHERE job = jobs.id
    ORDER BY number DESC LIMIT 1), 0) AS bytes
  FROM jobs WHERE id = ?`;

/** `keys` has one more than the page when there is another page. */
function readPage(sql: Sql, keys: readonly JobKey[], pageSize: number): SearchPage {
  const jobs: SearchPage["jobs"] = [];
  let bytes = 0;
  for (const [index, { id }] of keys.entries()) {
    const length = sql.row<{ bytes: number }>(LENGTH, id)?.bytes;
    // Deleted while other calls had their turn.
    if (length === undefined) continue;
    bytes += length;
    if (jobs.length === pageSize || (jobs.length > 0 && bytes > PAGE_BYTES_MAX)) {
      return { jobs, next: placeOf(keys[index - 1]!) };
    }
    const row = sql.row<JobRow>("SELECT * FROM jobs WHERE id = ?", id)!;
    const latest = findLatest(sql, id);
    jobs.push({ job: toJob(row), latest: latest && toExecution(latest) });
  }
  // Some of them may have been deleted, which says nothing about what comes after them.
  return { jobs, next: keys.length > pageSize ? placeOf(keys.at(-1)!) : undefined };
}

function placeOf({ created, id }: JobKey): string {
  return `${created}.${id}`;
}
