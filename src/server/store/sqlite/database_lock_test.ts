import assert from "node:assert/strict";
import { systemHost } from "../../../platform/system_host.ts";
import { StoreError } from "../store_error.ts";
import { isLocked, lockDatabase } from "./database_lock.ts";

const { files, clock } = systemHost;

function inDirectory(test: (directory: string) => Promise<void>): () => Promise<void> {
  return async () => {
    const directory = Deno.makeTempDirSync({ prefix: "airunner-lock-" });
    try {
      await test(directory);
    } finally {
      Deno.removeSync(directory, { recursive: true });
    }
  };
}

const names = (directory: string) => [...Deno.readDirSync(directory)].map(({ name }) => name).sort();

Deno.test(
  "a database has one holder, and the next takes over as soon as it lets go, leaving nothing",
  inDirectory(async (directory) => {
    const path = `${directory}/server.db`;
    const first = await lockDatabase(files, clock, path);
    assert.equal(await isLocked(files, path), true);
    await assert.rejects(lockDatabase(files, clock, path, { waitMs: 0 }), (error) => {
      assert.ok(error instanceof StoreError);
      assert.match(error.message, /another process holds it \(process \d+\)\. Stop the other server/);
      return true;
    });
    const second = lockDatabase(files, clock, path);
    await first.release();
    await (await second).release();
    assert.equal(await isLocked(files, path), false);
    assert.deepEqual(names(directory), []);
  }),
);

Deno.test(
  "what a crash left of a lock is no obstacle",
  inDirectory(async (directory) => {
    Deno.writeTextFileSync(`${directory}/server.db.lock`, "");
    const lock = await lockDatabase(files, clock, `${directory}/server.db`, { waitMs: 0 });
    await lock.release();
    assert.deepEqual(names(directory), []);
  }),
);

Deno.test(
  "a database is the same by whichever link it is named",
  inDirectory(async (directory) => {
    Deno.writeTextFileSync(`${directory}/server.db`, "");
    Deno.symlinkSync("server.db", `${directory}/link.db`);
    const lock = await lockDatabase(files, clock, `${directory}/link.db`);
    await assert.rejects(lockDatabase(files, clock, `${directory}/server.db`, { waitMs: 0 }), StoreError);
    await lock.release();
  }),
);

Deno.test(
  "a lock that cannot be made is told with its path",
  inDirectory(async (directory) => {
    await assert.rejects(
      lockDatabase(files, clock, `${directory}/none/server.db`),
      /needs .*server\.db\.lock beside it/,
    );
  }),
);
