import assert from "node:assert/strict";
import type { OldestEnded } from "../store/contract.ts";
import { isUnlimited, KEEP_ALL, nextToGo, type RetentionPolicy } from "./policy.ts";

const NONE = KEEP_ALL;
const DAY = 86_400_000;
const NOW = 1000 * DAY;
const ended = (queue: string, daysAgo: number): OldestEnded => ({
  queue,
  jobId: `${queue}-${daysAgo}`,
  endedAtMs: NOW - daysAgo * DAY,
});
const goes = (oldest: OldestEnded[], policy: Partial<RetentionPolicy>, usedBytes = 0) => {
  const going = nextToGo(oldest, usedBytes, { ...NONE, ...policy }, NOW);
  return going && [going.jobId, going.reason];
};

Deno.test("nothing goes without a limit, however old and large", () => {
  assert.equal(goes([ended("a", 900)], {}, 1e15), undefined);
  assert.equal(isUnlimited(NONE), true);
  assert.equal(isUnlimited({ ...NONE, queueAgesMs: new Map([["a", Infinity]]) }), true);
  assert.equal(isUnlimited({ ...NONE, queueAgesMs: new Map([["a", 1]]) }), false);
});

Deno.test("the job that ended first goes first, once it is older than its limit and not when it is just as old", () => {
  assert.deepEqual(goes([ended("a", 31), ended("b", 40)], { ageMs: 30 * DAY }), ["b-40", "age"]);
  assert.equal(goes([ended("a", 30)], { ageMs: 30 * DAY }), undefined);
  assert.equal(goes([], { ageMs: 30 * DAY, bytesMax: 0 }, 1), undefined);
});

Deno.test("a queue's own age comes before the common one, whether it is shorter or longer", () => {
  const policy = { ageMs: 30 * DAY, queueAgesMs: new Map([["nightly", 7 * DAY], ["release", 365 * DAY]]) };
  assert.deepEqual(goes([ended("nightly", 8), ended("release", 364), ended("ci", 29)], policy), [
    "nightly-8",
    "age",
  ]);
  assert.deepEqual(goes([ended("release", 366), ended("ci", 31)], policy), ["release-366", "age"]);
  assert.deepEqual(goes([ended("nightly", 8)], { queueAgesMs: policy.queueAgesMs }), ["nightly-8", "age"]);
});

Deno.test("beyond the size the oldest goes, but never of a queue that is kept for ever", () => {
  const policy = { bytesMax: 100, queueAgesMs: new Map([["release", Infinity]]) };
  assert.equal(goes([ended("ci", 1)], policy, 100), undefined);
  assert.deepEqual(goes([ended("release", 9), ended("ci", 1), ended("nightly", 2)], policy, 101), [
    "nightly-2",
    "bytes",
  ]);
  assert.equal(goes([ended("release", 9)], policy, 101), undefined);
});
