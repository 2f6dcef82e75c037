import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
import fc from "fast-check";
import { encodeSkippableFrame, parseFrameHeader, startsLikeZstd } from "./frames.ts";

const MAGIC = [0x28, 0xB5, 0x2F, 0xFD];

Deno.test("frame headers are read in each of their forms", () => {
  const read = (...rest: number[]) => parseFrameHeader(Uint8Array.from([...MAGIC, ...rest]));
  const common = { kind: "zstd" as const, hasChecksum: false, dictionaryId: 0 };
  // Window descriptor 0x58: exponent 11, no eighths.
  deepStrictEqual(read(0x00, 0x58), {
    ...common,
    headerBytes: 6,
    windowBytes: 2 ** 21,
    contentBytes: undefined,
  });
  // Exponent 17, 4 eighths more.
  deepStrictEqual(read(0x04, 0x8C), {
    ...common,
    headerBytes: 6,
    windowBytes: 2 ** 27 * 1.5,
    contentBytes: undefined,
    hasChecksum: true,
  });
  deepStrictEqual(read(0x20, 200), { ...common, headerBytes: 6, windowBytes: 200, contentBytes: 200 });
  deepStrictEqual(read(0x60, 1, 1), { ...common, headerBytes: 7, windowBytes: 513, contentBytes: 513 });
  deepStrictEqual(read(0xA0, 0, 0, 0, 0xC0), {
    ...common,
    headerBytes: 9,
    windowBytes: 0xC000_0000,
    contentBytes: 0xC000_0000,
  });
  deepStrictEqual(read(0xC0, 0x58, 1, 0, 0, 0, 2, 0, 0, 0), {
    ...common,
    headerBytes: 14,
    windowBytes: 2 ** 21,
    contentBytes: 2 ** 33 + 1,
  });
  deepStrictEqual(read(0x23, 1, 2, 3, 0xFF, 9), {
    ...common,
    headerBytes: 10,
    windowBytes: 9,
    contentBytes: 9,
    dictionaryId: 0xFF030201,
  });
});

Deno.test("a frame header that is cut is short, and other bytes are unknown", () => {
  const whole = Uint8Array.from([...MAGIC, 0xC0, 0x58, 1, 0, 0, 0, 2, 0, 0, 0]);
  for (let length = 0; length < whole.length; length++) {
    strictEqual(parseFrameHeader(whole.subarray(0, length)), "short");
  }
  strictEqual(parseFrameHeader(new TextEncoder().encode("ARWAL001")), "unknown");
  strictEqual(parseFrameHeader(Uint8Array.from([...MAGIC, 0x28, 0])), "reserved_bit");
});

Deno.test("skippable frames are read as they were encoded", () => {
  fc.assert(fc.property(fc.nat(15), fc.uint8Array({ maxLength: 300 }), (variant, content) => {
    const frame = encodeSkippableFrame(variant, content);
    deepStrictEqual(parseFrameHeader(frame), {
      kind: "skippable",
      headerBytes: 8,
      variant,
      contentBytes: content.length,
    });
    deepStrictEqual(frame.subarray(8), Uint8Array.from(content));
    strictEqual(startsLikeZstd(frame), true);
  }));
  throws(() => encodeSkippableFrame(16, new Uint8Array(0)), RangeError);
});

Deno.test("only zstd data starts like zstd data", () => {
  strictEqual(startsLikeZstd(Uint8Array.from(MAGIC)), true);
  strictEqual(startsLikeZstd(Uint8Array.from(MAGIC.slice(0, 3))), false);
  strictEqual(startsLikeZstd(new TextEncoder().encode("ARWAL001")), false);
  strictEqual(startsLikeZstd(Uint8Array.from([0x60, 0x2A, 0x4D, 0x18])), false);
});
