import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { StoreError } from "../store_error.ts";
import { Database } from "./database.ts";
import { MIGRATIONS } from "./schema.ts";

function inDirectory(test: (path: string) => void): () => void {
  return () => {
    const directory = Deno.makeTempDirSync();
    try {
      test(join(directory, "data", "server.db"));
    } finally {
      Deno.removeSync(directory, { recursive: true });
    }
  };
}

Deno.test(
  "database and journal are for their owner only, also when the file was there before",
  inDirectory((path) => {
    Deno.mkdirSync(join(path, ".."));
    Deno.writeFileSync(path, new Uint8Array(), { mode: 0o644 });
    const database = new Database(path);
    database.write(() => database.prepare("INSERT INTO settings VALUES ('a', x'01')").run());
    for (const file of [path, `${path}-wal`]) assert.equal(Deno.statSync(file).mode! & 0o777, 0o600, file);
    database.close();
  }),
);

Deno.test(
  "database writes the way the acknowledgements need",
  inDirectory((path) => {
    const database = new Database(path);
    const pragma = (name: string) => Object.values(database.prepare(`PRAGMA ${name}`).get()!)[0];
    assert.equal(pragma("journal_mode"), "wal");
    assert.equal(pragma("synchronous"), 2);
    assert.equal(pragma("foreign_keys"), 1);
    assert.equal(pragma("user_version"), MIGRATIONS.length);
    database.close();
  }),
);

Deno.test(
  "database of a newer program is refused and left as it was",
  inDirectory((path) => {
    new Database(path).close();
    const newer = new DatabaseSync(path);
    newer.exec(`PRAGMA user_version = ${MIGRATIONS.length + 1}`);
    newer.close();
    const before = Deno.readFileSync(path);
    assert.throws(() => new Database(path), (error) => {
      assert.ok(error instanceof StoreError);
      assert.match(error.message, /its schema has version 3, .*up to 2\. The file was not changed/);
      return true;
    });
    assert.deepEqual(Deno.readFileSync(path), before);
  }),
);

Deno.test(
  "a second server on the same file is refused",
  inDirectory((path) => {
    const first = new Database(path);
    assert.throws(
      () => new Database(path, { busyTimeoutMs: 0 }),
      /another process holds it\. Stop the other server/,
    );
    first.close();
    new Database(path).close();
  }),
);

Deno.test(
  "a file that is no database is refused and left as it was",
  inDirectory((path) => {
    Deno.mkdirSync(join(path, ".."));
    Deno.writeTextFileSync(path, "These are my notes, and they are longer than a header. ".repeat(50));
    assert.throws(() => new Database(path), /not a database of this program/);
    assert.match(Deno.readTextFileSync(path), /^These are my notes/);
  }),
);

Deno.test(
  "a transaction that fails leaves nothing, and the next one works",
  inDirectory((path) => {
    const database = new Database(path);
    const insert = database.prepare("INSERT INTO settings VALUES (?, x'01')");
    const count = () => database.read(() => database.prepare("SELECT count(*) AS n FROM settings").get()!.n);
    assert.throws(
      () => database.write(() => [insert.run("a"), insert.run("b"), insert.run("a")]),
      (error) => error instanceof StoreError && error.cause !== undefined && /UNIQUE/.test(error.message),
    );
    assert.throws(() =>
      database.write(() => {
        insert.run("a");
        throw new RangeError("Not SQLite's");
      }), RangeError);
    assert.equal(count(), 0);
    database.write(() => insert.run("a"));
    assert.equal(count(), 1);
    database.close();
  }),
);

Deno.test(
  "a database that may not grow fails the transaction, says so, and goes on when there is room",
  inDirectory((path) => {
    const database = new Database(path);
    const insert = database.prepare("INSERT INTO settings VALUES (?, zeroblob(?))");
    const pages = Number(database.prepare("PRAGMA page_count").get()!.page_count);
    database.prepare(`PRAGMA max_page_count = ${pages + 2}`).get();
    assert.throws(
      () => database.write(() => [insert.run("a", 10), insert.run("b", 1_000_000)]),
      /the disk is full\. Nothing was acknowledged/,
    );
    database.prepare("PRAGMA max_page_count = 1000000").get();
    database.write(() => insert.run("b", 1_000_000));
    assert.equal(database.prepare("SELECT group_concat(name) AS names FROM settings").get()!.names, "b");
    database.close();
  }),
);

Deno.test(
  "closing leaves one file that is the whole database",
  inDirectory((path) => {
    const database = new Database(path);
    database.write(() => database.prepare("INSERT INTO settings VALUES ('a', x'01')").run());
    database.close();
    assert.deepEqual(Array.from(Deno.readDirSync(join(path, "..")), (entry) => entry.name), ["server.db"]);
  }),
);

for (
  const [what, make] of [
    ["text", (path: string) => Deno.writeTextFileSync(path, "Dear diary,\n".repeat(100))],
    [
      "a database only at its first bytes",
      (path: string) => Deno.writeTextFileSync(path, "SQLite format 3\0" + "junk".repeat(1000)),
    ],
    ["another program's database", (path: string) => {
      const other = new DatabaseSync(path);
      other.exec("PRAGMA journal_mode = WAL; CREATE TABLE recipes (name TEXT); PRAGMA user_version = 1");
      other.close();
    }],
  ] as const
) {
  Deno.test(
    `a file that is ${what} is refused, and neither its bytes nor its mode are changed`,
    inDirectory((path) => {
      Deno.mkdirSync(join(path, ".."));
      make(path);
      Deno.chmodSync(path, 0o644);
      const before = Deno.readFileSync(path);
      assert.throws(() => new Database(path), (error) => {
        assert.ok(error instanceof StoreError);
        assert.match(error.message, /not a database of this program\. It was not changed/);
        return true;
      });
      assert.deepEqual(Deno.readFileSync(path), before);
      assert.equal(Deno.statSync(path).mode! & 0o777, 0o644);
      assert.deepEqual([...Deno.readDirSync(join(path, ".."))].map(({ name }) => name), ["server.db"]);
    }),
  );
}
