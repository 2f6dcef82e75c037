import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { TestStore } from "../../../../../tests/support/server_store.ts";

Deno.test("ids of events only rise, over all jobs, also when those that came last are deleted", async () => {
  await using test = new TestStore();
  const reader = new DatabaseSync(test.path, { readOnly: true });
  const ids = () => reader.prepare("SELECT id FROM events ORDER BY id").all().map(({ id }) => id);
  await test.enqueue();
  const first = await test.claim();
  await test.publish(first, 1, 2);
  for (let round = 0; round < 2; round++) {
    const jobId = await test.enqueue("other");
    const other = await test.claim("other");
    // A duplicate uses up no id.
    await test.publish(other, 1, 2, 3, 2);
    await test.jobs.complete(jobId, 1, { success: true, bytes: new Uint8Array() }, 0);
    assert.equal(await test.jobs.delete(jobId), "done");
  }
  await test.publish(first, 3);
  assert.deepEqual(ids(), [1, 2, 9]);
  reader.close();
});
