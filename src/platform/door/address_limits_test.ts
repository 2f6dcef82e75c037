import assert from "node:assert/strict";
import { parseRange } from "../ip_address.ts";
import { AddressLimits } from "./address_limits.ts";

const trustedProxies = ["10.0.0.0/8", "::1"].map((text) => parseRange(text)!);

Deno.test("an address has so many connections and no more, until one of them ends", () => {
  const limits = new AddressLimits({ max: 2, trustedProxies });
  const [first] = [limits.enter("192.0.2.7"), limits.enter("192.0.2.7")];
  assert.equal(limits.enter("192.0.2.7"), undefined);
  assert.ok(limits.enter("192.0.2.8"));
  first!();
  assert.ok(limits.enter("::ffff:192.0.2.7"));
  assert.equal(limits.enter("192.0.2.7"), undefined);
});

Deno.test("a trusted proxy is counted by whom it speaks for, and nobody else is believed", () => {
  const limits = new AddressLimits({ max: 1, trustedProxies });
  for (let index = 0; index < 5; index++) assert.ok(limits.enter("10.1.2.3"));
  const leave = limits.enterRequest("10.1.2.3", "198.51.100.1, 192.0.2.7, 10.9.9.9");
  assert.ok(leave);
  // What stands before the last address that is no proxy, its client wrote.
  assert.equal(limits.enterRequest("::1", "203.0.113.99, 192.0.2.7"), undefined);
  assert.ok(limits.enterRequest("::1", "198.51.100.1"), "who stood before it was not counted");
  leave!();
  assert.ok(limits.enterRequest("::1", "192.0.2.7"));
  assert.ok(
    limits.enterRequest("192.0.2.8", "192.0.2.7"),
    "no proxy: its connection was counted, not its requests",
  );
  for (const header of [null, "", "10.1.1.1"]) {
    assert.ok(limits.enterRequest("10.1.2.3", header), String(header));
  }
});

Deno.test("without a limit everybody gets in", () => {
  const limits = new AddressLimits(undefined);
  for (let index = 0; index < 100; index++) assert.ok(limits.enter("192.0.2.7"));
  assert.ok(limits.enterRequest("192.0.2.7", "192.0.2.7"));
});
