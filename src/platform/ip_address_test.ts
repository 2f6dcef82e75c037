import assert from "node:assert/strict";
import { isWithin, parseAddress, parseRange, sourceKey } from "./ip_address.ts";

Deno.test("addresses are read in all their forms, and nothing else is one", () => {
  assert.equal(parseAddress("192.0.2.7"), 0xffff_c000_0207n);
  for (const text of ["::ffff:192.0.2.7", "::FFFF:c000:207", "0:0:0:0:0:ffff:c000:0207"]) {
    assert.equal(parseAddress(text), parseAddress("192.0.2.7"), text);
  }
  assert.equal(parseAddress("::1"), 1n);
  assert.equal(parseAddress("::"), 0n);
  assert.equal(parseAddress("2001:db8::1"), (0x20010db8n << 96n) | 1n);
  assert.equal(parseAddress("1:2:3:4:5:6:7::"), parseAddress("1:2:3:4:5:6:7:0"));
  const wrong = [
    "",
    "1",
    "1.2.3",
    "1.2.3.256",
    "1.2.3.4.5",
    ":",
    ":::",
    "1::2::3",
    "g::",
    "1:2:3:4:5:6:7",
    "x",
  ];
  for (const text of [...wrong, "1:2:3:4:5:6:7:8:9", "::1.2.3", "12345::", "1.2.3.4:80", "[::1]"]) {
    assert.equal(parseAddress(text), undefined, text);
  }
});

Deno.test("a range holds the addresses that begin as it does, however they are written", () => {
  const holds = (range: string, address: string) => isWithin(parseAddress(address)!, parseRange(range)!);
  assert.ok(holds("10.0.0.0/8", "10.255.0.1"));
  assert.ok(holds("10.0.0.0/8", "::ffff:10.1.2.3"));
  assert.ok(!holds("10.0.0.0/8", "11.0.0.1"));
  assert.ok(holds("192.0.2.7", "192.0.2.7"));
  assert.ok(!holds("192.0.2.7", "192.0.2.8"));
  assert.ok(holds("fd00::/8", "fdab::1"));
  assert.ok(!holds("0.0.0.0/0", "2001:db8::1"), "all of IPv4 is not all there is");
  assert.ok(holds("::/0", "192.0.2.7"));
  for (const text of ["", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/x", "/8", "host/8"]) {
    assert.equal(parseRange(text), undefined, text);
  }
});

Deno.test("one source is an IPv4 address, or the network that an IPv6 host chooses its addresses from", () => {
  assert.equal(sourceKey("192.0.2.7"), sourceKey("::ffff:192.0.2.7"));
  assert.notEqual(sourceKey("192.0.2.7"), sourceKey("192.0.2.8"));
  assert.equal(sourceKey("2001:db8:1:2::1"), sourceKey("2001:db8:1:2:ffff::9"));
  assert.notEqual(sourceKey("2001:db8:1:2::1"), sourceKey("2001:db8:1:3::1"));
});
