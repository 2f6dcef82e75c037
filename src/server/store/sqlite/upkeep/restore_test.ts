import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { systemHost } from "../../../../platform/system_host.ts";
import { StoreError } from "../../store_error.ts";
import { addJob } from "../../../../../tests/support/database_rows.ts";
import { Database } from "../database.ts";
import { lockDatabase } from "../database_lock.ts";
import { backUp } from "./backup.ts";
import { restore } from "./restore.ts";

class Place implements Disposable {
  readonly directory = Deno.makeTempDirSync({ prefix: "airunner-restore-" });
  readonly backup = `${this.directory}/backup.db`;
  readonly target = `${this.directory}/new.db`;

  static async create(): Promise<Place> {
    const place = new Place();
    const source = `${place.directory}/server.db`;
    new Database(source).close();
    const writer = new DatabaseSync(source);
    addJob(writer, "one", { events: 40, outputBytes: 30_000 });
    writer.close();
    await backUp(source, place.backup, { host: systemHost, rateBytes: Infinity });
    return place;
  }

  restore(files = systemHost.files) {
    return restore(this.backup, this.target, { host: { ...systemHost, files } });
  }

  names(): string[] {
    return [...Deno.readDirSync(this.directory)].map(({ name }) => name)
      .filter((name) => !name.startsWith("server.db")).sort();
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.directory, { recursive: true });
  }
}

async function refused(promise: Promise<unknown>, message: RegExp): Promise<void> {
  await assert.rejects(promise, (error) => {
    assert.ok(error instanceof StoreError, String(error));
    assert.match(error.message, message);
    return true;
  });
}

Deno.test("a restored database is the backup, byte for byte, for its owner alone, and a server opens it", async () => {
  using place = await Place.create();
  Deno.chmodSync(place.backup, 0o644);
  const { jobs, events } = await place.restore();
  assert.deepEqual([jobs, events], [1, 40]);
  assert.deepEqual(Deno.readFileSync(place.target), Deno.readFileSync(place.backup));
  assert.equal(Deno.statSync(place.target).mode! & 0o777, 0o600);
  assert.deepEqual(place.names(), ["backup.db", "new.db"]);
  new Database(place.target).close();
});

Deno.test("a file that is there is not replaced", async () => {
  using place = await Place.create();
  Deno.writeTextFileSync(place.target, "another");
  await refused(place.restore(), /there is such a file, and it was not changed/);
  assert.equal(Deno.readTextFileSync(place.target), "another");
});

Deno.test("a journal of another database under the name is not played into the restored one", async () => {
  using place = await Place.create();
  Deno.writeTextFileSync(`${place.target}-wal`, "frames");
  await refused(place.restore(), /new\.db-wal belongs to another database/);
  assert.deepEqual(place.names(), ["backup.db", "new.db-wal"]);
});

Deno.test("nothing is restored where a server runs, or to what would not be whole without its journal", async () => {
  using place = await Place.create();
  const lock = await lockDatabase(systemHost.files, systemHost.clock, place.target);
  let elapsedMs = 0;
  const clock = {
    ...systemHost.clock,
    elapsedMs: () => elapsedMs,
    sleep: (ms: number) => Promise.resolve(void (elapsedMs += ms)),
  };
  await refused(
    restore(place.backup, place.target, { host: { ...systemHost, clock } }),
    /another process holds it.*Stop the other server/,
  );
  await lock.release();
  Deno.writeTextFileSync(`${place.backup}-wal`, "frames");
  await refused(place.restore(), /the file alone is not the whole database/);
  assert.deepEqual(place.names(), ["backup.db", "backup.db-wal"]);
});

Deno.test("a damaged backup is not restored", async () => {
  using place = await Place.create();
  const bytes = Deno.readFileSync(place.backup);
  bytes.fill(0xff, bytes.length / 2, bytes.length / 2 + 20_000);
  Deno.writeFileSync(place.backup, bytes);
  await refused(place.restore(), /what was copied is not right|it is damaged|is not whole/);
  assert.deepEqual(place.names(), ["backup.db"]);
});

Deno.test("what the disk gives back otherwise than it was written is not kept", async () => {
  using place = await Place.create();
  const files = {
    ...systemHost.files,
    async create(path: string) {
      const file = await systemHost.files.create(path);
      return {
        read: async (into: Uint8Array, offset: number) => {
          const count = await file.read(into, offset);
          if (offset === 0 && path.includes("new.db.tmp")) into[500] ^= 1;
          return count;
        },
        write: (bytes: Uint8Array) => file.write(bytes),
        truncate: (length: number) => file.truncate(length),
        syncData: () => file.syncData(),
        sync: () => file.sync(),
        size: () => file.size(),
        close: () => file.close(),
      };
    },
  };
  await refused(place.restore(files), /differs from the backup at byte 500/);
  assert.deepEqual(place.names(), ["backup.db"]);
});
