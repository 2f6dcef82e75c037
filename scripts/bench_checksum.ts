/**
 * How fast the checksum is, beside the script that it was before and beside merely reading the memory; and
 * how fast logs are scanned beside the checksum alone. All of them take turns in many short rounds, and the
 * best of each counts: the others say what else ran on the machine.
 *
 *     scripts/deno task bench checksum
 */
import { Crc64, giveBackReadBlock, takeReadBlock } from "../src/platform/checksum/crc64.ts";
import { runCrc64Script } from "../src/platform/checksum/crc64_script.ts";
import { systemFiles } from "../src/platform/system_files.ts";
import { encodeHeader, encodeRecord, Status } from "../src/wal/format.ts";
import { readLogFile, scanLog } from "../src/wal/reader.ts";
import type { Row } from "./bench_table.ts";

const ROUNDS = 30;
/** Small enough that a scan fits between what else runs on the machine. */
const LOG_BYTES = 16e6;

/** One kind of work: how many bytes it went through. */
type Work = () => number | Promise<number>;

/** MB/s of each work in each round. */
async function takeTurns(works: readonly Work[], roundMs: number): Promise<number[][]> {
  const rates = works.map(() => [] as number[]);
  for (let round = 0; round <= ROUNDS; round++) {
    for (const [i, work] of works.entries()) {
      const startMs = performance.now();
      let bytes = 0;
      let nowMs;
      do bytes += await work(); while ((nowMs = performance.now()) - startMs < roundMs);
      // The first round belongs to the compiler.
      if (round > 0) rates[i].push(bytes / 1e3 / (nowMs - startMs));
    }
  }
  return rates;
}

function rows(
  rates: readonly number[][],
  names: readonly { name: string; target?: number }[],
): Row[] {
  const best = rates.map((ofWork) => Math.max(...ofWork));
  return names.map(({ name, target }, i) => ({
    name,
    value: best[i],
    unit: "MB/s",
    ratio: best[i] / best[0],
    target,
  }));
}

async function benchChecksum(): Promise<Row[]> {
  const own = takeReadBlock();
  for (let at = 0; at < own.length; at += 65_536) crypto.getRandomValues(own.subarray(at, at + 65_536));
  const elsewhere = own.slice();
  const words = new Int32Array(elsewhere.buffer);
  const register = { registerLow: -1, registerHigh: -1 };
  const crc = new Crc64();
  let sum = 0;
  const rates = await takeTurns([
    () => (runCrc64Script(register, elsewhere, 0, elsewhere.length), elsewhere.length),
    () => (crc.update(own), own.length),
    () => (crc.update(elsewhere), elsewhere.length),
    () => {
      for (let i = 0; i < 100; i++) crc.update(elsewhere, 2100 * i, 2100 * i + 2068);
      return 100 * 2068;
    },
    () => {
      for (let i = 0; i < words.length; i += 4) sum ^= words[i] ^ words[i + 1] ^ words[i + 2] ^ words[i + 3];
      return elsewhere.length;
    },
  ], 20);
  if (sum === 1) throw new Error("Never: it only keeps the sum from being left out");
  giveBackReadBlock(own);
  return rows(rates, [
    { name: "CRC-64/NVME in JavaScript" },
    { name: "CRC-64/NVME, bytes in its own memory", target: 1.8 },
    { name: "CRC-64/NVME, bytes copied there" },
    { name: "CRC-64/NVME, 2 KB copied there" },
    { name: "reading the memory, four bytes at a time" },
  ]);
}

async function benchScan(directory: string, payloadBytes: number): Promise<Row[]> {
  const path = `${directory}/scan.wal`;
  writeRecords(path, payloadBytes);
  const block = takeReadBlock();
  const crc = new Crc64();
  const rates = await takeTurns([
    () => {
      for (let i = 0; i < 16; i++) crc.update(block);
      return 16 * block.length;
    },
    async () => {
      let bytes = 0;
      for await (const chunk of readLogFile(systemFiles, path)) bytes += chunk.length;
      return bytes;
    },
    async () => {
      const { damage, goodBytes } = await scanLog(readLogFile(systemFiles, path), () => {});
      if (damage !== undefined) throw new Error(`The log of the benchmark is damaged: ${damage.problem}`);
      return goodBytes;
    },
  ], 20);
  giveBackReadBlock(block);
  const size = payloadBytes >= 1024 ? `${payloadBytes / 1024} KB` : `${payloadBytes} bytes`;
  return rows(rates, [
    { name: `checksum alone (${size})` },
    { name: "reading the file alone" },
    { name: `scan of a log, events of ${size}, ledger included`, target: 0.85 },
  ]);
}

function writeRecords(path: string, payloadBytes: number): void {
  using file = Deno.openSync(path, { write: true, create: true, truncate: true });
  const write = (bytes: Uint8Array) => {
    for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
  };
  write(encodeHeader());
  const payload = crypto.getRandomValues(new Uint8Array(payloadBytes));
  const count = Math.ceil(LOG_BYTES / payloadBytes);
  for (let i = 1; i <= count; i++) {
    write(encodeRecord({ sequence: BigInt(i), status: Status.PENDING, timestampMs: 0n, payload }));
  }
}

export async function benchChecksums(): Promise<Row[]> {
  const directory = Deno.makeTempDirSync();
  try {
    return [
      ...await benchChecksum(),
      ...await benchScan(directory, 2048),
      ...await benchScan(directory, 65_536),
    ];
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}
