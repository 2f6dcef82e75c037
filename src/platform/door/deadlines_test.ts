import assert from "node:assert/strict";
import { bodyExpiry, connectionExpiry } from "./deadlines.ts";

const deadlines = { headerMs: 20, idleMs: 120, bodyMs: 60, streamMs: 3_600 };

Deno.test("a header is waited for from connecting or from its first byte on, and the next request for longer", () => {
  const fresh = { sinceMs: 100, firstByteMs: undefined, hadRequest: false };
  assert.equal(connectionExpiry(fresh, deadlines, 119), undefined);
  assert.equal(connectionExpiry(fresh, deadlines, 120), "header");
  // A byte now and then does not help.
  assert.equal(connectionExpiry({ ...fresh, firstByteMs: 119 }, deadlines, 120), "header");
  const kept = { ...fresh, hadRequest: true };
  assert.equal(connectionExpiry(kept, deadlines, 219), undefined);
  assert.equal(connectionExpiry(kept, deadlines, 220), "idle");
  assert.equal(connectionExpiry({ ...kept, firstByteMs: 215 }, deadlines, 230), undefined);
  assert.equal(connectionExpiry({ ...kept, firstByteMs: 215 }, deadlines, 235), "header");
});

Deno.test("a body is waited for as long as its bytes are worth, and a stream from byte to byte", () => {
  const wait = { waitedMs: 0, sinceMs: 0, bytes: 0, isStream: false };
  assert.equal(bodyExpiry(wait, deadlines, 59), undefined);
  assert.equal(bodyExpiry(wait, deadlines, 60), "body");
  assert.equal(bodyExpiry({ ...wait, bytes: 1_000 }, deadlines, 1_059), undefined);
  assert.equal(bodyExpiry({ ...wait, bytes: 1_000 }, deadlines, 1_060), "body");
  // Time in which the server had enough to do counts for nothing.
  assert.equal(bodyExpiry({ ...wait, waitedMs: 10, sinceMs: 500 }, deadlines, 549), undefined);
  assert.equal(bodyExpiry({ ...wait, waitedMs: 10, sinceMs: 500 }, deadlines, 550), "body");
  const stream = { ...wait, waitedMs: 9_999, isStream: true };
  assert.equal(bodyExpiry(stream, deadlines, 3_599), undefined);
  assert.equal(bodyExpiry(stream, deadlines, 3_600), "stream");
});
