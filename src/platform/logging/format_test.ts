import assert from "node:assert/strict";
import fc from "fast-check";
import { createEntry, type Fields, type LogEntry } from "./entry.ts";
import { formatJson, formatText, formatTime, formatTimedText } from "./format.ts";

const TIME_MS = Date.UTC(2026, 0, 31, 23, 59, 59, 999);

const entryOf = (message: string, fields: Fields, secrets?: string[]): LogEntry =>
  createEntry(TIME_MS, "warn", message, [fields], secrets);

/** Characters that end a line somewhere, or that a terminal acts upon. */
// deno-lint-ignore no-control-regex -- finding control characters is the point
const ACTIVE = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/;

Deno.test("an entry is the same in text, in timed text and in JSON", () => {
  const entry = entryOf("Cannot write", {
    path: "/a b",
    attempts: 2,
    ok: false,
    sequence: 7n,
    skipped: undefined,
  });
  assert.equal(formatText(entry), 'WRN Cannot write path="/a b" attempts=2 ok=false sequence=7');
  assert.equal(
    formatTimedText(entry),
    '2026-01-31T23:59:59.999Z WRN Cannot write path="/a b" attempts=2 ok=false sequence=7',
  );
  assert.equal(
    formatJson(entry),
    '{"time":"2026-01-31T23:59:59.999Z","level":"warn","message":"Cannot write",' +
      '"fields":{"path":"/a b","attempts":2,"ok":false,"sequence":7}}',
  );
});

Deno.test("whole numbers that readers of JSON would round are texts", () => {
  const fields = {
    exact: 2n ** 53n - 1n,
    rounded: 2n ** 53n,
    lowest: -(2n ** 63n),
    none: NaN,
    endless: Infinity,
  };
  assert.deepEqual(JSON.parse(formatJson(entryOf("Numbers", fields))).fields, {
    exact: Number.MAX_SAFE_INTEGER,
    rounded: "9007199254740992",
    lowest: "-9223372036854775808",
    none: "NaN",
    endless: "Infinity",
  });
});

Deno.test("a field called like a part of the line does not replace it", () => {
  const fields = JSON.parse('{"time":"never","level":"none","message":"other","__proto__":"p"}');
  const parsed = JSON.parse(formatJson(entryOf("Real", fields)));
  assert.equal(parsed.time, "2026-01-31T23:59:59.999Z");
  assert.equal(parsed.level, "warn");
  assert.equal(parsed.message, "Real");
  assert.deepEqual(Object.keys(parsed.fields), ["time", "level", "message", "__proto__"]);
});

Deno.test("a clock that is out of its mind still gives a time", () => {
  for (const timeMs of [NaN, Infinity, -1, 1e18, Date.UTC(10000, 0)]) {
    assert.equal(formatTime(timeMs), "1970-01-01T00:00:00.000Z");
  }
});

Deno.test("any text makes one line in which nothing acts on a terminal, and JSON gives it back", () => {
  const text = fc.string({ unit: "binary", maxLength: 40 });
  const fields = fc.dictionary(
    text,
    fc.oneof(text, fc.double(), fc.bigInt(), fc.boolean(), fc.constant(undefined)),
  );
  fc.assert(fc.property(text, fields, (message, fields) => {
    const entry = entryOf(message, fields);
    for (const line of [formatText(entry), formatTimedText(entry), formatJson(entry)]) {
      assert.doesNotMatch(line, ACTIVE);
    }
    const parsed = JSON.parse(formatJson(entry));
    assert.equal(parsed.message, message);
    for (const [name, value] of Object.entries(fields)) {
      if (typeof value === "string") assert.equal(parsed.fields[name], value);
    }
  }));
});

Deno.test("values that types do not allow are written as far as they can be", () => {
  const hostile = {
    toString() {
      throw new Error("no");
    },
  };
  const values = {
    hostile,
    bare: Object.create(null),
    symbol: Symbol("s"),
    call: Math.max,
    nothing: null,
    list: [1, 2],
  };
  const entry = entryOf("Odd", values as unknown as Fields);
  assert.equal(
    formatText(entry),
    'WRN Odd hostile=[unprintable] bare=[unprintable] symbol=Symbol(s) call="function max() { [native code] }" ' +
      "nothing=null list=1,2",
  );
  assert.deepEqual(JSON.parse(formatJson(entry)).fields.list, "1,2");
});

Deno.test("an object that cannot be read costs its fields, not the line", () => {
  const trap = {
    get value(): string {
      throw new Error("trap");
    },
  };
  assert.equal(
    formatText(createEntry(TIME_MS, "info", "Said", [trap, { job_id: "a" }])),
    'INF Said unreadable_fields="Error: trap" job_id=a',
  );
  assert.equal(formatText(entryOf(hostileText(), null as unknown as Fields)), "WRN [unprintable]");
});

function hostileText(): string {
  return Object.create(null);
}

Deno.test("text without end is cut", () => {
  const { message, fields } = entryOf("m".repeat(100_000), { body: "b".repeat(5000) });
  assert.equal(message, "m".repeat(4096) + "… (95904 more characters)");
  assert.equal(fields.get("body"), "b".repeat(4096) + "… (904 more characters)");
});

Deno.test("secrets and signed tokens are withheld wherever somebody repeats them", () => {
  const jwt = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ3b3JrZXIifQ.c2lnbmF0dXJl-_x";
  const padded = "p".repeat(4090) + "task-token-1";
  const entry = entryOf(
    `no task task-token-1, task-token-1$&`,
    { error: `Bearer ${jwt} is late`, cut: padded, "task-token-1": 1 },
    ["task-token-1", ""],
  );
  for (const line of [formatText(entry), formatJson(entry)]) {
    assert.doesNotMatch(line, /task-t|eyJ|c2ln/);
    assert.match(line, /no task \[withheld\], \[withheld\]\$&/);
    assert.match(line, /Bearer \[withheld\] is late/);
  }
});
