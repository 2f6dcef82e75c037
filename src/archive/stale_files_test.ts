import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { systemFiles } from "../platform/system_files.ts";
import { silentLogger } from "../platform/logging/logger.ts";
import { removeStaleFiles, STALE_AFTER_MS } from "./stale_files.ts";
import { withDirectory } from "../../tests/support/archive_logs.ts";

const MADE_MS = 1_700_000_000_000;
const options = { files: systemFiles, logger: silentLogger, nowMs: MADE_MS + STALE_AFTER_MS };
const uuid = "0190a1b2-0000-4000-8000-00000000000";

function make(path: string, madeMs = MADE_MS): void {
  Deno.writeTextFileSync(path, "token");
  Deno.utimeSync(path, madeMs / 1000, madeMs / 1000);
}

const names = (directory: string) => [...Deno.readDirSync(directory)].map((entry) => entry.name).sort();

Deno.test("temporary files whose owner is gone are removed, and nothing else", async () => {
  await withDirectory(async (directory) => {
    const stale = [
      `.a.wal.zst.tmp-${uuid}1`,
      `.a.2.wal.zst.tmp-${uuid}2`,
      // Of making a log, or of restoring one.
      `.a.wal.tmp-${uuid}1`,
      `.a b.wal.tmp-${uuid}1`,
      `.a.wal.cut-16.tmp-${uuid}1`,
    ];
    const others = [
      "a.wal",
      "a.wal.zst",
      `a.wal.zst.tmp-${uuid}1`,
      ".a.wal.zst.tmp-5",
      `.a.zst.tmp-${uuid}1`,
      `.a.wal.zst.tmp-${uuid}1.bak`,
    ];
    for (const name of [...stale, ...others]) make(`${directory}/${name}`);
    const live = `${directory}/.b.wal.tmp-${uuid}3`;
    make(live);
    const owner = await systemFiles.open(live);
    try {
      strictEqual(await removeStaleFiles(directory, options), stale.length);
    } finally {
      owner.close();
    }
    deepStrictEqual(names(directory), [...others, `.b.wal.tmp-${uuid}3`].sort());
    strictEqual(await removeStaleFiles(directory, options), 1);
  });
});

Deno.test("a temporary file that was made just now is left: its maker may not have locked it yet", async () => {
  await withDirectory(async (directory) => {
    make(`${directory}/.a.wal.tmp-${uuid}1`, MADE_MS + 1);
    strictEqual(await removeStaleFiles(directory, options), 0);
    strictEqual(await removeStaleFiles(directory, { ...options, nowMs: options.nowMs + 1 }), 1);
  });
});

Deno.test("a directory that does not exist has no stale files", async () => {
  await withDirectory(async (directory) =>
    strictEqual(await removeStaleFiles(`${directory}/none`, options), 0)
  );
});
