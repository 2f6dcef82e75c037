import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import { compressStream } from "./compress.ts";
import { ArchiveDamagedError, ArchiveUnsupportedError } from "./archive_errors.ts";
import { decompressStream } from "./decompress.ts";
import { encodeSkippableFrame } from "./frames.ts";
import { haveSameBytes } from "./log_content.ts";
import {
  assertSameBytes,
  collect,
  collectUntilError,
  concat,
  inPieces,
  noise,
  runZstd,
} from "../../tests/support/archive_logs.ts";

async function zstd(content: Uint8Array, ...args: string[]): Promise<Uint8Array> {
  const { code, stdout, stderr } = await runZstd(["-q", "-c", ...args], content);
  strictEqual(code, 0, stderr);
  return stdout;
}

/** A frame made by hand: descriptor and what follows it, then blocks. */
function frame(header: number[], ...blocks: Uint8Array[]): Uint8Array {
  return concat([Uint8Array.from([0x28, 0xB5, 0x2F, 0xFD, ...header]), ...blocks]);
}

function block(type: 0 | 1 | 2 | 3, size: number, content: number[], last = true): Uint8Array {
  const header = size << 3 | type << 1 | (last ? 1 : 0);
  return Uint8Array.from([header & 255, header >> 8 & 255, header >> 16, ...content]);
}

Deno.test("whatever the zstd program writes is read", async () => {
  const content = concat([noise(700_000), new Uint8Array(300_000), noise(300_000), noise(500_000, 7)]);
  for (
    const args of [
      ["-1"],
      ["-3", "--no-check"],
      ["-9"],
      ["-19"],
      ["--fast=5"],
      ["--long=26"],
      ["--rsyncable", "-T2"],
      ["--no-compress-literals"],
      ["--compress-literals", "-1"],
      ["--zstd=wlog=10,clog=10,hlog=10,slog=4,mml=3,tlen=8,strat=5"],
      ["--stream-size=1800000"],
      ["-B100000", "-T2"],
    ]
  ) {
    assertSameBytes(
      await collect(decompressStream(inPieces(await zstd(content, ...args)))),
      content,
      args.join(" "),
    );
  }
});

Deno.test("matches tens of megabytes back are right", async () => {
  const far = noise(1_000_000, 3);
  const content = concat([
    far,
    new Uint8Array(60_000_000),
    noise(50_000, 5),
    far,
    far.subarray(5),
    far.subarray(99),
  ]);
  const compressed = await zstd(content, "--long=26");
  ok(compressed.length < 1_500_000, "the repeated part was found by zstd");
  strictEqual(await haveSameBytes(decompressStream(inPieces(compressed)), inPieces(content)), true);
});

Deno.test("frames and skippable frames may follow each other in any order", async () => {
  const part = fc.oneof(
    fc.tuple(fc.nat(15), fc.uint8Array({ maxLength: 50 })).map(([variant, content]) => ({
      variant,
      content,
    })),
    fc.uint8Array({ maxLength: 50 }).map((content) => ({ variant: undefined, content })),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(part, { maxLength: 6 }),
      fc.integer({ min: 1, max: 40 }),
      async (parts, size) => {
        const frames: Uint8Array[] = [];
        const expected: Uint8Array[] = [];
        for (const { variant, content } of parts) {
          if (variant !== undefined) frames.push(encodeSkippableFrame(variant, content));
          else {
            expected.push(content);
            frames.push(await collect(compressStream(inPieces(content), 3)));
          }
        }
        assertSameBytes(await collect(decompressStream(inPieces(concat(frames), size))), concat(expected));
      },
    ),
    { numRuns: 60 },
  );
});

Deno.test("a skippable frame larger than any buffer is stepped over", async () => {
  const large = encodeSkippableFrame(3, new Uint8Array(3_000_000));
  const bytes = concat([large, await collect(compressStream(inPieces(noise(99)), 3))]);
  assertSameBytes(await collect(decompressStream(inPieces(bytes))), noise(99));
});

Deno.test("blocks of each type are decoded", async () => {
  const bytes = frame([0x00, 0x00], block(0, 3, [1, 2, 3], false), block(1, 5, [9], false), block(0, 0, []));
  assertSameBytes(await collect(decompressStream(inPieces(bytes))), Uint8Array.of(1, 2, 3, 9, 9, 9, 9, 9));
});

Deno.test("an archive that ends early yields its good part and an error, wherever it ends", async () => {
  const content = noise(300_000);
  const compressed = concat([encodeSkippableFrame(1, new Uint8Array(5)), await zstd(content, "-3")]);
  for (
    let length = 1;
    length < compressed.length;
    length += length < 40 || length > compressed.length - 10 ? 1 : 997
  ) {
    if (length === 13) continue; // The skippable frame alone is whole.
    const { bytes, error } = await collectUntilError(
      decompressStream(inPieces(compressed.subarray(0, length)), "x.zst"),
    );
    ok(error instanceof ArchiveDamagedError, `${length} bytes`);
    ok(error.offset <= length);
    match(error.message, /^Archive is damaged: x\.zst at byte \d+: the file ends within/);
    assertSameBytes(bytes, content.subarray(0, bytes.length));
    if (length > compressed.length * 0.8) ok(bytes.length >= 131_072);
  }
});

Deno.test("a declared size is not believed", async () => {
  // One gigabyte declared, in a window of 1 KiB, and three bytes there.
  const less = await collectUntilError(
    decompressStream(inPieces(frame([0x80, 0x00, 0, 0, 0, 0x40], block(0, 3, [1, 2, 3])))),
  );
  deepStrictEqual(less.bytes, Uint8Array.of(1, 2, 3));
  match(String(less.error), /holds less than it declares/);
  const more = await collectUntilError(
    decompressStream(inPieces(frame([0x20, 2], block(1, 2, [1], false), block(1, 2, [1])))),
  );
  deepStrictEqual(more.bytes, Uint8Array.of(1, 1));
  match(String(more.error), /holds more than it declares/);
  // Without a window of its own the whole content is the window, and that is too much.
  const { error } = await collectUntilError(
    decompressStream(inPieces(frame([0xA0, 0, 0, 0, 0x40], block(0, 1, [1])))),
  );
  ok(error instanceof ArchiveUnsupportedError);
  match(error.message, /needs a window of 1024 MiB, and at most 64 MiB are read/);
});

Deno.test("windows up to 64 MiB are read, larger ones and dictionaries are refused by name", async () => {
  const small = block(0, 1, [7]);
  assertSameBytes(await collect(decompressStream(inPieces(frame([0x00, 0x80], small)))), Uint8Array.of(7));
  const beyond = await collectUntilError(decompressStream(inPieces(frame([0x00, 0x81], small))));
  match(String(beyond.error), /ArchiveUnsupportedError: .* needs a window of 72 MiB/);
  const dictionary = await collectUntilError(decompressStream(inPieces(frame([0x21, 5, 1], small))));
  match(String(dictionary.error), /needs dictionary 5/);
});

Deno.test("a block that makes no sense is named, with the place where it begins", async () => {
  const cases: [Uint8Array, RegExp][] = [
    [block(3, 1, [0]), /header is impossible/],
    [block(0, 200_000, []), /header is impossible/],
    [block(2, 4, [0x13, 0x40, 0x00, 1]), /cannot be decompressed/],
  ];
  for (const [bad, expected] of cases) {
    const { error } = await collectUntilError(decompressStream(inPieces(frame([0x00, 0x00], bad))));
    ok(error instanceof ArchiveDamagedError, String(expected));
    match(error.message, expected);
    strictEqual(error.offset, 6);
  }
});

Deno.test("bytes behind the last frame are damage", async () => {
  const { bytes, error } = await collectUntilError(
    decompressStream(inPieces(concat([await zstd(noise(10)), noise(30)]))),
  );
  deepStrictEqual(bytes, noise(10));
  match(String(error), /no zstd frame begins here/);
});

Deno.test("any bytes at all either decompress or are called damaged", async () => {
  const good = await collect(compressStream(inPieces(noise(3000)), 3));
  const changes = fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 20 });
  await fc.assert(
    fc.asyncProperty(changes, async (list) => {
      const bytes = good.slice();
      for (const [at, value] of list) bytes[at] = value;
      const { error } = await collectUntilError(decompressStream(inPieces(bytes)));
      ok(
        error === undefined || error instanceof ArchiveDamagedError ||
          error instanceof ArchiveUnsupportedError,
        String(error),
      );
    }),
    { numRuns: 3000 },
  );
});

Deno.test("the source is released when the reader stops early", async () => {
  let released = false;
  const compressed = await collect(compressStream(inPieces(noise(1_000_000)), 3));
  async function* source() {
    try {
      yield* inPieces(compressed, 1000);
    } finally {
      released = true;
    }
  }
  for await (const _ of decompressStream(source())) break;
  strictEqual(released, true);
});
