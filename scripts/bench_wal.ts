/**
 * How fast the write-ahead log is, beside what the same disk gives to a bare loop in the same process. Ratios
 * are what counts: disks differ.
 *
 *     scripts/deno task bench wal
 */
import { Crc64 } from "../src/platform/checksum/crc64.ts";
import { encodeHeader, encodeRecord, Status } from "../src/wal/format.ts";
import { Ledger } from "../src/wal/ledger.ts";
import { Log } from "../src/wal/log.ts";
import { logNames } from "../src/wal/file_names.ts";
import { readLogFile, salvageLog, scanLog } from "../src/wal/reader.ts";
import type { Row } from "./bench_table.ts";
import { systemFiles } from "../src/platform/system_files.ts";
import { systemHost } from "../src/platform/system_host.ts";

const PAYLOAD_BYTES = 2048;
const EXECUTION = {
  job_id: "bench",
  execution: 1,
  queue: "bench",
  server: "",
  worker: "bench",
  version: "0",
  started_at_ms: 0,
};

/** Calls `act` until `durationMs` have passed, and returns how often a second it was. */
async function perSecond(durationMs: number, act: () => Promise<number> | number): Promise<number> {
  const startMs = performance.now();
  let count = 0;
  let nowMs = startMs;
  while ((nowMs = performance.now()) - startMs < durationMs) count += await act();
  return count * 1000 / (nowMs - startMs);
}

/**
 * The disk's speed changes from one moment to the next, above all when others use it. So what is compared
 * takes turns in many short rounds, each ratio is between neighbours, and the middle one counts.
 */
async function benchAppends(directory: string, durationMs: number): Promise<Row[]> {
  const rounds = 25;
  const roundMs = durationMs / rounds / 3;
  const payload = new Uint8Array(PAYLOAD_BYTES).fill(0x61);
  const record = encodeRecord({ sequence: 1n, status: Status.PENDING, timestampMs: 0n, payload });
  using bare = await Deno.open(`${directory}/bare`, { create: true, append: true });
  const log = await Log.create(directory, logNames("bench"), EXECUTION, systemHost);
  let sequence = 0n;
  const append = () => log.append({ sequence: ++sequence, timestampMs: 0, payload });
  const bareLoop = async () => {
    await bare.write(record);
    await bare.syncData();
    return 1;
  };
  const rates: number[][] = [[], [], []];
  for (let round = 0; round < rounds; round++) {
    rates[0].push(await perSecond(roundMs, bareLoop));
    rates[1].push(await perSecond(roundMs, () => append().then(() => 1)));
    rates[2].push(await manyOutstanding(roundMs, 64, append));
  }
  await log.close();
  const names = [
    "bare write + fdatasync, 2 KB, awaited",
    "append 2 KB, one by one",
    "append 2 KB, 64 outstanding",
  ];
  const targets = [undefined, 0.8, 8];
  return names.map((name, i) => ({
    name,
    value: middle(rates[i]),
    unit: "/s",
    ratio: middle(rates[i].map((rate, round) => rate / rates[0][round])),
    target: targets[i],
  }));
}

function middle(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1];
}

async function manyOutstanding(
  durationMs: number,
  outstanding: number,
  append: () => Promise<void>,
): Promise<number> {
  const startMs = performance.now();
  let count = 0;
  await Promise.all(Array.from({ length: outstanding }, async () => {
    while (performance.now() - startMs < durationMs) {
      await append();
      count++;
    }
  }));
  return count * 1000 / (performance.now() - startMs);
}

async function benchScan(directory: string, megabytes: number): Promise<Row[]> {
  const path = `${directory}/scan.wal`;
  const block = recordsBlock(1024);
  const file = await Deno.open(path, { create: true, append: true });
  await file.write(encodeHeader());
  let bytes = 0;
  for (; bytes < megabytes * 1e6; bytes += block.length) {
    for (let done = 0; done < block.length;) done += await file.write(block.subarray(done));
  }
  file.close();
  // Once to warm up: the first second of a process belongs to the compiler.
  await scanLog(readLogFile(systemFiles, path), () => {});
  let startMs = performance.now();
  const end = await scanLog(readLogFile(systemFiles, path), () => {});
  const scanMs = performance.now() - startMs;
  if (end.damage !== undefined) throw new Error(`The log of the benchmark is damaged: ${end.damage.problem}`);
  startMs = performance.now();
  await salvageLog(readLogFile(systemFiles, path), 17, () => {});
  const salvageMs = performance.now() - startMs;
  return [
    {
      name: "scan a log, checksums and ledger included",
      value: bytes / 1e3 / scanMs,
      unit: "MB/s",
      target: 500,
    },
    { name: "salvage the same log", value: bytes / 1e3 / salvageMs, unit: "MB/s" },
  ];
}

function recordsBlock(count: number): Uint8Array {
  const payload = crypto.getRandomValues(new Uint8Array(PAYLOAD_BYTES));
  const records = Array.from(
    { length: count },
    (_, i) => encodeRecord({ sequence: BigInt(i + 1), status: Status.PENDING, timestampMs: 0n, payload }),
  );
  const block = new Uint8Array(records.length * records[0].length);
  records.forEach((record, i) => block.set(record, i * record.length));
  return block;
}

/**
 * What only the processor decides is measured in rounds, and the best counts: the others say what else ran on
 * the machine.
 */
async function bestPerSecond(durationMs: number, act: () => number): Promise<number> {
  const rounds = 5;
  let best = 0;
  for (let round = 0; round < rounds; round++) {
    best = Math.max(best, await perSecond(durationMs / rounds, act));
  }
  return best;
}

async function benchPure(durationMs: number): Promise<Row[]> {
  const bytes = new Uint8Array(256 * 1024).fill(0x61);
  const crc = new Crc64();
  const crcRate = await bestPerSecond(durationMs, () => {
    crc.update(bytes);
    return 1;
  });
  const payload = new Uint8Array(1);
  const ledgerRate = await bestPerSecond(durationMs, () => {
    const ledger = new Ledger();
    for (let i = 1n; i <= 10_000n; i++) ledger.add({ sequence: i, status: Status.PENDING, payload });
    return 10_000;
  });
  return [
    { name: "CRC-64/NVME", value: crcRate * bytes.length / 1e6, unit: "MB/s", target: 1000 },
    { name: "ledger, rising sequences", value: ledgerRate, unit: "events/s" },
  ];
}

export async function benchWal({ durationMs = 6000, megabytes = 256, directory }: {
  durationMs?: number;
  megabytes?: number;
  directory?: string;
} = {}): Promise<Row[]> {
  const temporary = Deno.makeTempDirSync({ dir: directory });
  try {
    return [
      ...await benchPure(durationMs / 8),
      ...await benchAppends(temporary, durationMs),
      ...await benchScan(temporary, megabytes),
    ];
  } finally {
    Deno.removeSync(temporary, { recursive: true });
  }
}
