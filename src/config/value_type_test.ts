import assert from "node:assert/strict";
import * as fc from "fast-check";
import {
  boolean,
  decimal,
  duration,
  formatDurationMs,
  formatSizeBytes,
  httpUrl,
  integer,
  listenAddress,
  oneOf,
  parseDurationMs,
  parseSizeBytes,
  path,
  queueAges,
  text,
} from "./value_type.ts";

Deno.test("durations are read in the units that people type", () => {
  const cases: [string, number | undefined][] = [
    ["5s", 5000],
    ["100ms", 100],
    ["1h30m", 5_400_000],
    ["30d", 2_592_000_000],
    ["1.5s", 1500],
    ["0", 0],
    ["5", undefined],
    ["", undefined],
    ["-5s", undefined],
    ["5 s", undefined],
    ["5sec", undefined],
    ["s", undefined],
    ["99999999999999999d", undefined],
  ];
  for (const [given, expected] of cases) assert.equal(parseDurationMs(given), expected, given);
});

Deno.test("sizes are decimal as in the runbook, and binary when they say so", () => {
  const cases: [string, number | undefined][] = [
    ["5GB", 5_000_000_000],
    ["5gb", 5_000_000_000],
    ["64MiB", 67_108_864],
    ["1.5 KB", 1500],
    ["4096", 4096],
    ["1B", 1],
    ["5G", undefined],
    ["GB", undefined],
    ["-1GB", undefined],
    ["9999999999TB", undefined],
  ];
  for (const [given, expected] of cases) assert.equal(parseSizeBytes(given), expected, given);
});

Deno.test("what is formatted parses to the same duration or size", () => {
  fc.assert(fc.property(fc.integer({ min: 0, max: 2 ** 45 }), (value) => {
    assert.equal(parseDurationMs(formatDurationMs(value)), value);
    assert.equal(parseSizeBytes(formatSizeBytes(value)), value);
  }));
});

Deno.test("queues have an age each, or are kept for ever, and none is named twice", () => {
  const parse = (text: string) => queueAges.parse(text)?.map(({ queue, ageMs }) => [queue, ageMs]);
  assert.deepEqual(parse("nightly=7d, release = never"), [["nightly", 7 * 86_400_000], [
    "release",
    Infinity,
  ]]);
  assert.deepEqual(parse("a=b=1h"), [["a=b", 3_600_000]]);
  for (const text of ["", "nightly", "=7d", "nightly=", "nightly=0", "nightly=soon", "a=1d,a=2d", "a=1d,"]) {
    assert.equal(parse(text), undefined, text);
  }
  for (const text of ["nightly=7d", "a b=12h,release=never"]) {
    assert.equal(queueAges.format(queueAges.parse(text)!), text);
  }
});

Deno.test("values outside a type's limits are refused", () => {
  assert.equal(duration(10, 2000).parse("2s"), 2000);
  assert.equal(duration(10, 2000).parse("3s"), undefined);
  assert.equal(integer(1, 256).parse("256"), 256);
  assert.equal(integer(1, 256).parse("0"), undefined);
  assert.equal(integer(1, 256).parse("1.0"), undefined);
  assert.equal(integer(1, 256).parse("0x10"), undefined);
  assert.equal(decimal(1, 100).parse("2.5"), 2.5);
  assert.equal(decimal(1, 100).parse("1e3"), undefined);
  assert.equal(oneOf(["always", "interval"]).parse("ALWAYS"), "always");
  assert.equal(oneOf(["always", "interval"]).parse("never"), undefined);
  assert.equal(boolean.parse("Yes"), true);
  assert.equal(boolean.parse("off"), false);
  assert.equal(boolean.parse("maybe"), undefined);
  assert.equal(text.parse("a\u001bb"), undefined);
  assert.equal(path.parse("a\0b"), undefined);
});

Deno.test("server addresses are http or https, without credentials in them", () => {
  assert.equal(httpUrl.parse("https://api.example.com/"), "https://api.example.com");
  assert.equal(httpUrl.parse("http://127.0.0.1:8080/base/"), "http://127.0.0.1:8080/base");
  for (const wrong of ["localhost:8080", "ftp://x", "http://", "http://user:pw@host", "http://host/?q=1"]) {
    assert.equal(httpUrl.parse(wrong), undefined, wrong);
  }
});

Deno.test("listen addresses name a host and a port", () => {
  assert.deepEqual(listenAddress.parse("127.0.0.1:0"), { hostname: "127.0.0.1", port: 0 });
  assert.deepEqual(listenAddress.parse("[::1]:8080"), { hostname: "::1", port: 8080 });
  assert.deepEqual(listenAddress.parse(":9000"), { hostname: "0.0.0.0", port: 9000 });
  for (const wrong of ["8080", "127.0.0.1", "127.0.0.1:70000", "http://127.0.0.1:80", "::1:80"]) {
    assert.equal(listenAddress.parse(wrong), undefined, wrong);
  }
  assert.equal(listenAddress.format({ hostname: "::1", port: 80 }), "[::1]:80");
});
