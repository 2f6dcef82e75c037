/**
 * Looks at each place of a damaged log where a record should start and none was found: what length stands
 * there, and whether the record is whole with another one.
 */
import { LENGTH_BYTES, readLength, RECORD_BYTES_MAX } from "./format.ts";
import { bytesFrom } from "./reader.ts";
import type { Found, OpenBytes, Start } from "./repair_plan.ts";
import { isAllZeros } from "./scanner.ts";
import { TrueLengthSearch } from "./true_length.ts";

export interface KnownRecords {
  found: Found;
  fileBytes: number;
}

/**
 * Each byte may be read for so many places: a search goes over the longest record, and places can lie close
 * together. What is left over in the end is searched as far as it goes, so that time grows with the file's
 * size alone.
 */
const STEPS_A_BYTE = 8;
const STEPS_MIN = 64 * 1024 * 1024;

/** @param goodBytes where the first damage is */
export async function readStarts(
  open: OpenBytes,
  goodBytes: number,
  known: KnownRecords,
): Promise<Map<number, Start>> {
  const { found, fileBytes } = known;
  const places = [goodBytes];
  found.offsets.forEach((offset, i) => {
    const end = offset + found.lengths[i];
    if (found.offsets[i + 1] !== end && end < fileBytes) places.push(end);
  });
  const starts = await readPlaces(open, places, known);
  // Behind a record whose length alone is wrong there can be another damage, which nobody could know of
  // before.
  const offsets = new Set(found.offsets);
  const more = [...starts].flatMap(([place, { trueLength = 0 }]) =>
    trueLength > 0 ? [place + trueLength] : []
  )
    .filter((end) => end < fileBytes && !offsets.has(end) && !starts.has(end));
  if (more.length > 0) {
    for (const [place, start] of await readPlaces(open, more, known)) starts.set(place, start);
  }
  return starts;
}

class PlaceReader {
  readonly #field = new Uint8Array(LENGTH_BYTES);
  readonly #search: TrueLengthSearch;
  #passed = 0;
  #zerosToEnd = true;

  constructor(readonly place: number, readonly isLast: boolean, bytesMax: number) {
    this.#search = new TrueLengthSearch(bytesMax);
  }

  push(bytes: Uint8Array): void {
    if (this.#passed < LENGTH_BYTES) {
      this.#field.set(bytes.subarray(0, LENGTH_BYTES - this.#passed), this.#passed);
    }
    this.#passed += bytes.length;
    this.#search.push(bytes);
    if (this.isLast && this.#zerosToEnd) this.#zerosToEnd = isAllZeros(bytes);
  }

  get isDone(): boolean {
    return this.#search.isDone && !(this.isLast && this.#zerosToEnd);
  }

  /** The record before a whole one is surely meant; where there is none, any end is better than none. */
  start(isBoundary: (offset: number) => boolean): Start {
    const { lengths } = this.#search;
    return {
      length: this.#passed < LENGTH_BYTES ? undefined : readLength(this.#field, 0),
      zerosToEnd: this.isLast && this.#zerosToEnd,
      trueLength: lengths.find((length) => isBoundary(this.place + length)) ?? lengths[0],
    };
  }
}

/** @param places ascending */
async function readPlaces(
  open: OpenBytes,
  places: readonly number[],
  { found, fileBytes }: KnownRecords,
): Promise<Map<number, Start>> {
  const offsets = new Set(found.offsets);
  const isBoundary = (offset: number) => offset === fileBytes || offsets.has(offset);
  const starts = new Map<number, Start>();
  let steps = Math.max(STEPS_MIN, STEPS_A_BYTE * fileBytes);
  let readers: PlaceReader[] = [];
  let next = 0;
  const finish = (reader: PlaceReader) => starts.set(reader.place, reader.start(isBoundary));
  let offset = places[0];
  for await (const chunk of bytesFrom(await open(), offset)) {
    const end = offset + chunk.length;
    for (const reader of readers) reader.push(chunk);
    for (; next < places.length && places[next] < end; next++) {
      const place = places[next];
      const bytesMax = Math.min(RECORD_BYTES_MAX, fileBytes - place, Math.max(steps, LENGTH_BYTES));
      steps -= bytesMax;
      const reader = new PlaceReader(place, next === places.length - 1, bytesMax);
      reader.push(chunk.subarray(place - offset));
      readers.push(reader);
    }
    readers = readers.filter((reader) => !reader.isDone || (finish(reader), false));
    offset = end;
    if (next === places.length && readers.length === 0) break;
  }
  for (const reader of readers) finish(reader);
  return starts;
}
