import assert from "node:assert/strict";
import fc from "fast-check";
import { logName, logNames, parseLogName } from "./log_name.ts";

Deno.test("log names count from the second on", () => {
  const names = logNames("0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b");
  assert.equal(names.next().value, "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b.wal");
  assert.equal(names.next().value, "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b.2.wal");
});

Deno.test("job ids that are not safe as file names are refused", () => {
  for (const id of ["", ".", "..", "../x", "a/b", "a.b", ".a", "-a", "a\0", "a b", "ä", "x".repeat(129)]) {
    assert.throws(() => logName(id), RangeError, JSON.stringify(id));
  }
  for (const copy of [0, -1, 1.5, NaN]) assert.throws(() => logName("a", copy), RangeError);
});

Deno.test("a name that was made is understood, archived or not", () => {
  fc.assert(
    fc.property(
      fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_-]{0,40}$/),
      fc.integer({ min: 1, max: 99_999 }),
      (jobId, copy) => {
        assert.deepEqual(parseLogName(logName(jobId, copy)), { jobId, copy });
        assert.deepEqual(parseLogName(logName(jobId, copy) + ".zst"), { jobId, copy });
      },
    ),
  );
});

Deno.test("other names are nobody's log", () => {
  for (
    const name of [
      "a.wal.corrupt",
      "a.wal.cut-270",
      ".a.wal.tmp-1",
      "a.1.wal",
      "a.02.wal",
      "a.wal\n",
      "a",
      ".wal",
      "b/a.wal",
    ]
  ) {
    assert.equal(parseLogName(name), undefined, name);
  }
});
