import assert from "node:assert/strict";
import * as fc from "fast-check";
import { StreamType } from "./event.ts";
import { LINE_BYTES_MAX, OutputLines } from "./output_lines.ts";

const { STDOUT, STDERR } = StreamType;
const encoder = new TextEncoder();

function linesOf(pieces: [stream: StreamType, text: string | Uint8Array][]): string[] {
  const lines = new OutputLines();
  const told: string[] = [];
  const tell = (all: ReturnType<OutputLines["push"]>) => {
    for (const { stream, timestampMs, bytes, isWhole } of all) {
      const text = new TextDecoder().decode(bytes);
      told.push(`${timestampMs} ${stream === STDERR ? "err" : "out"} ${text}${isWhole ? "" : "…"}`);
    }
  };
  pieces.forEach(([stream, text], at) => {
    const bytes = typeof text === "string" ? encoder.encode(text) : text;
    const reused = bytes.slice();
    tell(lines.push({ stream, timestampMs: at, bytes: reused }));
    reused.fill(0);
  });
  tell(lines.finish());
  return told;
}

Deno.test("a line that was cut is put together, whatever the other stream wrote in between", () => {
  assert.deepEqual(linesOf([[STDOUT, "one\ntw"], [STDERR, "oops\n"], [STDOUT, "o\n\nend"]]), [
    "0 out one",
    "1 err oops",
    "0 out two",
    "2 out ",
    "2 out end…",
  ]);
});

Deno.test("a character that was cut is put together, and both line ends count", () => {
  const cafe = encoder.encode("café\r\nnext\n");
  assert.deepEqual(linesOf([[STDOUT, cafe.subarray(0, 4)], [STDOUT, cafe.subarray(4)]]), [
    "0 out café",
    "1 out next",
  ]);
});

Deno.test("an endless line comes in parts that are cut between characters", () => {
  const text = "é".repeat(LINE_BYTES_MAX);
  const lines = linesOf([[STDOUT, "x" + text], [STDOUT, "\n"]]);
  assert.ok(lines.length > 2);
  assert.equal(lines.map((line) => line.slice("0 out ".length).replace("…", "")).join(""), "x" + text);
});

Deno.test("nothing is lost and no line depends on where the output is cut", () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom("a", "é", "\n", "b") }), fc.nat(40), (text, cut) => {
      const bytes = encoder.encode(text);
      const strip = (lines: string[]) => lines.map((line) => line.replace(/^\d+ /, ""));
      const whole = linesOf([[STDOUT, bytes]]);
      assert.deepEqual(
        strip(linesOf([[STDOUT, bytes.subarray(0, cut)], [STDOUT, bytes.subarray(cut)]])),
        strip(whole),
      );
    }),
  );
});
