import assert from "node:assert/strict";
import { join } from "node:path";
import type { Files, WritableFile } from "../../../platform/files.ts";
import { systemNextTurn } from "../../../platform/system_clock.ts";
import { systemFiles } from "../../../platform/system_files.ts";
import { eventOf, Fixture } from "../../../../tests/support/store_contract/fixture.ts";
import { StoreError } from "../store_error.ts";
import { SqliteStore } from "./sqlite_store.ts";

/** A disk that says when it has synced the journal. */
class SlowDisk {
  /** Syncs that have begun and not ended. */
  readonly syncs: PromiseWithResolvers<void>[] = [];
  #began = Promise.withResolvers<void>();
  count = 0;

  readonly files: Pick<Files, "openForWriting"> = {
    openForWriting: async (path, mode) => {
      const file = await systemFiles.openForWriting(path, mode);
      return { ...file, close: () => file.close(), syncData: () => this.#sync() } as WritableFile;
    },
  };

  #sync(): Promise<void> {
    const sync = Promise.withResolvers<void>();
    this.syncs.push(sync);
    this.count++;
    this.#began.resolve();
    this.#began = Promise.withResolvers();
    return sync.promise;
  }

  /** The sync under way, as soon as there is one. */
  async next(): Promise<PromiseWithResolvers<void>> {
    while (this.syncs.length === 0) await this.#began.promise;
    return this.syncs.shift()!;
  }
}

async function onSlowDisk(
  body: (test: Fixture, disk: SlowDisk, path: string) => Promise<void>,
): Promise<void> {
  const directory = Deno.makeTempDirSync();
  const path = join(directory, "server.db");
  const disk = new SlowDisk();
  const store = new SqliteStore(path, { files: disk.files, nextTurn: systemNextTurn });
  try {
    const none = { store, other: store, [Symbol.asyncDispose]: () => Promise.resolve() };
    await body(new Fixture(none), disk, path);
    await store.close();
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

/** Lets everything run that only waits for its turn. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await new Promise<void>((resolve) => systemNextTurn(resolve));
}

Deno.test("nobody hears of events before the journal is on stable storage", async () => {
  await onSlowDisk(async (test, disk) => {
    const { executionId } = await test.running();
    let isStored = false;
    const storing = test.append(executionId, 1).then(() => isStored = true);
    const sync = await disk.next();
    await settle();
    assert.equal(isStored, false);
    sync.resolve();
    await storing;
  });
});

Deno.test("a sync that began before a commit does not count for it", async () => {
  await onSlowDisk(async (test, disk) => {
    const { executionId } = await test.running();
    const stored: number[] = [];
    const first = test.append(executionId, 1).then(() => stored.push(1));
    const firstSync = await disk.next();
    const others = [2, 3].map((sequence) =>
      test.append(executionId, sequence).then(() => stored.push(sequence))
    );
    firstSync.resolve();
    await first;
    const secondSync = await disk.next();
    await settle();
    assert.deepEqual(stored, [1]);
    secondSync.resolve();
    await Promise.all(others);
    // One for all that was committed before it began.
    assert.equal(disk.count, 2);
  });
});

Deno.test("events that were there already are acknowledged only when they are on stable storage", async () => {
  await onSlowDisk(async (test, disk) => {
    const { executionId } = await test.running();
    const first = test.append(executionId, 1);
    const firstSync = await disk.next();
    let isAnswered = false;
    const again = test.append(executionId, 1).then((outcome) => {
      isAnswered = true;
      return outcome;
    });
    await settle();
    assert.equal(isAnswered, false);
    firstSync.resolve();
    await first;
    (await disk.next()).resolve();
    assert.equal((await again).duplicate, 1);
  });
});

Deno.test("a checksum counts no event that is not on stable storage", async () => {
  await onSlowDisk(async (test, disk) => {
    const { executionId } = await test.running();
    const storing = test.append(executionId, 1);
    const sync = await disk.next();
    let isTold = false;
    const comparing = test.store.events.checksum(executionId, 1n, 9n).then(() => isTold = true);
    await settle();
    assert.equal(isTold, false);
    sync.resolve();
    await Promise.all([storing, comparing]);
  });
});

Deno.test("a journal that cannot be synced acknowledges nothing, and nothing is built on it", async () => {
  await onSlowDisk(async (test, disk, path) => {
    const { executionId, job: { jobId } } = await test.running();
    const storing = assert.rejects(test.append(executionId, 1), (error) => {
      assert.ok(error instanceof StoreError);
      assert.match(
        error.message,
        /Cannot sync the journal of .*: Input\/output error.*start the server again/,
      );
      return true;
    });
    (await disk.next()).reject(new Error("Input/output error"));
    await storing;
    await assert.rejects(test.append(executionId, 2), StoreError);
    await assert.rejects(test.enqueue(), StoreError);
    await assert.rejects(
      test.jobs.complete(jobId, 1, { success: true, bytes: new Uint8Array() }, 1),
      StoreError,
    );
    assert.equal(disk.count, 1);
    assert.deepEqual(await test.jobs.executionId(jobId, 1), executionId);
    // A new start goes by what the disk has.
    Deno.copyFileSync(path, `${path}.copy`);
    Deno.copyFileSync(`${path}-wal`, `${path}.copy-wal`);
    const again = new SqliteStore(`${path}.copy`, { files: systemFiles, nextTurn: systemNextTurn });
    const outcomes = await again.events.append([{ executionId, events: [eventOf(1), eventOf(2)] }], 1);
    assert.equal(outcomes[0].stored + outcomes[0].duplicate, 2);
    await again.close();
  });
});
