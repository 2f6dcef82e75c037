/**
 * Measures what docs/design.md claims, and prints a table for each subject: `scripts/deno task bench` all of
 * them, `scripts/deno task bench output latency` these. A figure that depends on the machine's disk stands
 * beside a bare loop on the same disk in the same run: the ratio is the claim. AIRUNNER_BENCH_BINARY names
 * another binary than `dist/airunner` for output, resident and latency, so that two versions are measured by
 * one tool.
 */
import { benchAppends } from "./bench_appends.ts";
import { benchArchive } from "./bench_archive.ts";
import { benchChecksums } from "./bench_checksum.ts";
import { benchLs } from "./bench_ls.ts";
import { benchIdle } from "./bench_idle.ts";
import { benchMemory } from "./bench_memory.ts";
import { benchLatency } from "./bench_latency.ts";
import { benchOutput, benchResident } from "./bench_output.ts";
import { benchServer } from "./bench_server.ts";
import { benchStart } from "./bench_start.ts";
import { benchWal } from "./bench_wal.ts";
import { benchZstd } from "./bench_zstd.ts";
import { formatRows, type Row } from "./bench_table.ts";

const BENCHES: Record<string, () => Promise<Row[]>> = {
  wal: benchWal,
  checksum: benchChecksums,
  archive: benchArchive,
  zstd: benchZstd,
  server: benchServer,
  appends: benchAppends,
  latency: benchLatency,
  output: benchOutput,
  resident: benchResident,
  memory: benchMemory,
  idle: benchIdle,
  ls: benchLs,
  start: benchStart,
};

const named = Deno.args.filter((arg) => arg !== "--");
const chosen = named.length > 0 ? named : Object.keys(BENCHES);
for (const name of chosen) {
  const bench = BENCHES[name];
  if (bench === undefined) {
    console.error(`There is no benchmark "${name}"; there are: ${Object.keys(BENCHES).join(", ")}`);
    Deno.exit(2);
  }
  console.log(formatRows(name, await bench()));
}
