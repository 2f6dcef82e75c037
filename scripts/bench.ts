/**
 * Measures what docs/design.md claims, `scripts/deno task bench`, and prints one table. A figure that depends
 * on the machine's disk stands beside a bare loop on the same disk in the same run: the ratio is the claim.
 */
import { benchArchive } from "./bench_archive.ts";
import { benchChecksums } from "./bench_checksum.ts";
import { benchLs } from "./bench_ls.ts";
import { benchIdle } from "./bench_idle.ts";
import { benchMemory } from "./bench_memory.ts";
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
  memory: benchMemory,
  idle: benchIdle,
  ls: benchLs,
  start: benchStart,
};

const chosen = Deno.args.length > 0 ? Deno.args : Object.keys(BENCHES);
for (const name of chosen) {
  const bench = BENCHES[name];
  if (bench === undefined) {
    console.error(`There is no benchmark "${name}"; there are: ${Object.keys(BENCHES).join(", ")}`);
    Deno.exit(2);
  }
  console.log(formatRows(name, await bench()));
}
