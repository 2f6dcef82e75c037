import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { systemFiles } from "../platform/system_files.ts";
import { silentLogger } from "../platform/logging/logger.ts";
import { removeStaleTemporaryFiles } from "./stale_files.ts";
import { withDirectory } from "../../tests/support/archive_logs.ts";

const options = { logger: silentLogger };
const uuid = "0190a1b2-0000-4000-8000-00000000000";

Deno.test("temporary files whose owner is gone are removed, and nothing else", async () => {
  await withDirectory(async (directory) => {
    const stale = [`.a.wal.zst.tmp-${uuid}1`, `.a.2.wal.zst.tmp-${uuid}2`];
    const others = [
      "a.wal.zst",
      `a.wal.zst.tmp-${uuid}1`,
      ".a.wal.zst.tmp-5",
      `.a.zst.tmp-${uuid}1`,
      `.a.wal.zst.tmp-${uuid}1.bak`,
      `.a.wal.tmp-${uuid}1`,
      `.a b.wal.zst.tmp-${uuid}1`,
    ];
    for (const name of [...stale, ...others]) Deno.writeTextFileSync(`${directory}/${name}`, "");
    const live = await systemFiles.create(`${directory}/.b.wal.zst.tmp-${uuid}3`);
    try {
      strictEqual(await removeStaleTemporaryFiles(directory, options), 2);
    } finally {
      live.close();
    }
    const left = [...Deno.readDirSync(directory)].map((entry) => entry.name).sort();
    deepStrictEqual(left, [...others, `.b.wal.zst.tmp-${uuid}3`].sort());
    strictEqual(await removeStaleTemporaryFiles(directory, options), 1);
  });
});

Deno.test("a directory that does not exist has no stale files", async () => {
  await withDirectory(async (directory) =>
    strictEqual(await removeStaleTemporaryFiles(`${directory}/none`, options), 0)
  );
});
