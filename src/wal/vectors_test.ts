/**
 * One table of log files that another program made, run against everything that reads them.
 */
import assert from "node:assert/strict";
import { Log, LogQuarantinedError } from "./log.ts";
import type { WalRecord } from "./format.ts";
import { readLogFile, salvageLog, scanLog } from "./reader.ts";
import { Scanner } from "./scanner.ts";
import { systemFiles } from "../platform/system_files.ts";
import { systemHost } from "../platform/system_host.ts";

interface Vector {
  file: string;
  bytes: number;
  valid: boolean;
  problem?: string;
  problem_offset?: number;
  records: {
    offset: number;
    length: number;
    sequence: number;
    status: number;
    timestamp_ms: number;
    payload_bytes: number;
  }[];
  good_bytes: number;
  salvageable_sequences?: number[];
}

const DIRECTORY = new URL("../../tests/testdata/", import.meta.url).pathname;

const VECTORS: Vector[] = [...Deno.readDirSync(DIRECTORY)]
  .filter(({ name }) => name.endsWith(".json"))
  .map(({ name }) => JSON.parse(Deno.readTextFileSync(DIRECTORY + name)));

/** What opening for append makes of each, and how long the log is then. */
const OPENED: Record<string, number | "quarantined"> = {
  "bad_magic.wal": "quarantined",
  "bad_version.wal": "quarantined",
  "empty.wal": 16,
  "flip_in_second.wal": "quarantined",
  "job.wal": 335,
  "large_200k.wal": 204887,
  "short_header.wal": 16,
  "statuses.wal": 335,
  "tiny_length.wal": "quarantined",
  "torn_length.wal": 270,
  "torn_tail.wal": 270,
  "wild_length.wal": "quarantined",
  "zero_bytes.wal": 16,
  "zero_tail.wal": 335,
};

function listed({ offset, length, sequence, status, timestampMs, payload }: WalRecord) {
  return {
    offset,
    length,
    sequence: Number(sequence),
    status,
    timestamp_ms: Number(timestampMs),
    payload_bytes: payload.length,
  };
}

Deno.test("every log file of the table is there", () => {
  assert.deepEqual(VECTORS.map(({ file }) => file).sort(), Object.keys(OPENED).sort());
});

for (const vector of VECTORS) {
  const path = DIRECTORY + vector.file;
  const damage = vector.valid ? undefined : { problem: vector.problem, offset: vector.problem_offset };
  const end = { damage, goodBytes: vector.good_bytes, records: vector.records.length };

  Deno.test(`scanner reads ${vector.file} in one piece and byte by byte`, () => {
    const bytes = Deno.readFileSync(path);
    assert.equal(bytes.length, vector.bytes);
    for (const chunkBytes of [Math.max(1, bytes.length), bytes.length < 10_000 ? 1 : 997]) {
      const scanner = new Scanner();
      const records = [];
      for (let at = 0; at < bytes.length; at += chunkBytes) {
        records.push(...scanner.push(bytes.subarray(at, at + chunkBytes)).map(listed));
      }
      assert.deepEqual(scanner.finish(), end);
      assert.deepEqual(records, vector.records);
    }
  });

  Deno.test(`reader reads ${vector.file} and salvages what can be salvaged`, async () => {
    const records: unknown[] = [];
    const { ledger: _, ...found } = await scanLog(
      readLogFile(systemFiles, path),
      (record) => void records.push(listed(record)),
    );
    assert.deepEqual(found, end);
    assert.deepEqual(records, vector.records);
    const salvaged: number[] = [];
    await salvageLog(
      readLogFile(systemFiles, path),
      vector.good_bytes,
      ({ sequence }) => void salvaged.push(Number(sequence)),
    );
    assert.deepEqual(salvaged, vector.salvageable_sequences ?? []);
  });

  Deno.test(`log opens ${vector.file}, or sets it aside without changing it`, async () => {
    const directory = Deno.makeTempDirSync();
    try {
      const copy = `${directory}/${vector.file}`;
      Deno.copyFileSync(path, copy);
      const original = Deno.readFileSync(path);
      const expected = OPENED[vector.file];
      const records: unknown[] = [];
      const opening = Log.open(copy, {
        ...systemHost,
        onRecord: (record) => void records.push(listed(record)),
      });
      if (expected === "quarantined") {
        await assert.rejects(opening, (error: LogQuarantinedError) => {
          assert.ok(error instanceof LogQuarantinedError);
          assert.deepEqual(error.damage, damage);
          assert.equal(error.counts.records, vector.records.length);
          assert.equal(error.counts.salvageable, vector.salvageable_sequences?.length);
          return true;
        });
        assert.deepEqual([...Deno.readDirSync(directory)].map(({ name }) => name), [
          `${vector.file}.corrupt`,
        ]);
        assert.deepEqual(Deno.readFileSync(`${copy}.corrupt`), original);
      } else {
        const log = await opening;
        assert.equal(log.counts.bytes, expected);
        await log.close();
        const kept = Deno.readFileSync(copy);
        assert.equal(kept.length, expected);
        assert.deepEqual(kept.subarray(0, vector.good_bytes), original.subarray(0, vector.good_bytes));
        const cutPath = `${copy}.cut-${vector.good_bytes}`;
        if (original.length > vector.good_bytes) {
          assert.deepEqual(Deno.readFileSync(cutPath), original.subarray(vector.good_bytes));
        } else {
          assert.throws(() => Deno.statSync(cutPath), Deno.errors.NotFound);
        }
      }
      assert.deepEqual(records, vector.records);
    } finally {
      Deno.removeSync(directory, { recursive: true });
    }
  });
}
