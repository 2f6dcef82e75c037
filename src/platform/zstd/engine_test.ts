import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import type { ZstdEngine } from "./engine.ts";
import { openZstdLibrary } from "./library.ts";
import { loadZstdModule } from "./module.ts";
import { loadZstd } from "./zstd.ts";

const FRAME = 1024 * 1024;

const library = openZstdLibrary();
const engines: Record<string, ZstdEngine> = { module: await loadZstdModule() };
if (library !== undefined) engines.library = library;
await loadZstd();

/** Text such as jobs print; the seed makes it different. */
function text(length: number, seed: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  let state = seed;
  for (let at = 0; at < length; at++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[at] = at % 80 === 79 ? 10 : 97 + (at % 7 === 0 ? state >>> 28 : at % 13);
  }
  return bytes;
}

function noise(length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at += 65_536) crypto.getRandomValues(bytes.subarray(at, at + 65_536));
  return bytes;
}

for (const [maker, making] of Object.entries(engines)) {
  for (const [reader, reading] of Object.entries(engines)) {
    Deno.test(`zstd frames of the ${maker} are read by the ${reader}, of every size and level`, async () => {
      const decoder = reading.startDecoder();
      for (const level of [1, 3, 9, 19]) {
        const encoder = making.startEncoder(level, FRAME);
        // The highest level takes a second for a frame of noise.
        const large = level === 19 ? [] : [FRAME - 1, FRAME];
        for (const size of [0, 1, 255, 256, 65_535, 65_792, 131_073, ...large]) {
          for (const content of [text(size, size + level), noise(size)]) {
            const frame = await encoder.encode(content);
            const back = await decoder.decode(frame, size);
            assert.ok(
              back !== undefined && Buffer.compare(back, content) === 0,
              `level ${level}, ${size} bytes`,
            );
          }
        }
        encoder.close();
      }
      decoder.close();
    });
  }
}

for (const [name, engine] of Object.entries(engines)) {
  Deno.test(`the ${name} takes no frame with a bit wrong anywhere for a right one`, async () => {
    const content = text(3000, 1);
    const encoder = engine.startEncoder(3, FRAME);
    const frame = (await encoder.encode(content)).slice();
    encoder.close();
    const decoder = engine.startDecoder();
    for (let bit = 0; bit < frame.length * 8; bit += 5) {
      const damaged = frame.slice();
      damaged[bit >> 3] ^= 1 << (bit & 7);
      const back = await decoder.decode(damaged, content.length);
      // A bit that says nothing may be wrong without harm; what comes out is right or nothing.
      if (back !== undefined) assert.equal(Buffer.compare(back, content), 0, `bit ${bit}`);
    }
    assert.notEqual(await decoder.decode(frame, content.length), undefined);
    assert.equal(await decoder.decode(frame, content.length - 1), undefined);
    assert.equal(await decoder.decode(frame, content.length + 1), undefined);
    assert.equal(await decoder.decode(frame.subarray(0, frame.length - 1), content.length), undefined);
    decoder.close();
  });

  Deno.test(`a frame of the ${name} is valid while the next one is made`, async () => {
    const encoder = engine.startEncoder(3, FRAME);
    const decoder = engine.startDecoder();
    const [first, second] = [text(100_000, 1), text(100_000, 2)];
    const frame = await encoder.encode(first);
    const next = await encoder.encode(second);
    for (const [made, content] of [[frame, first], [next, second]]) {
      const back = await decoder.decode(made, content.length);
      assert.ok(back !== undefined && Buffer.compare(back, content) === 0);
    }
    encoder.close();
    decoder.close();
  });
}
