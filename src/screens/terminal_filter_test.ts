import assert from "node:assert/strict";
import * as fc from "fast-check";
import { TerminalFilter } from "./terminal_filter.ts";

const encoder = new TextEncoder();

function filtered(...pieces: (string | number[])[]): string {
  const filter = new TerminalFilter();
  const bytes = pieces.map((piece) =>
    typeof piece === "string" ? encoder.encode(piece) : new Uint8Array(piece)
  );
  return bytes.map((piece) => filter.push(piece)).join("") + filter.finish();
}

Deno.test("colours and line ends pass, everything else that a terminal acts upon is shown", () => {
  const cases: [given: string, expected: string][] = [
    ["plain\r\n\ttext", "plain\r\n\ttext"],
    ["\u001b[1;32mok\u001b[0m", "\u001b[1;32mok\u001b[0m"],
    ["\u001b[38:2:255:0:0mred\u001b[m", "\u001b[38:2:255:0:0mred\u001b[m"],
    ["\u001b[2J", "\\u001b[2J"],
    ["\u001b]0;title\u0007", "\\u001b]0;title\\u0007"],
    ["\u001b[6n", "\\u001b[6n"],
    ["\u009b31m", "\\u009b31m"],
    ["\u001b[31\u001b[0m", "\\u001b[31\u001b[0m"],
    ["back\u0008space", "back\\u0008space"],
    ["right\u202eto left", "right\\u202eto left"],
  ];
  for (const [given, expected] of cases) assert.equal(filtered(given), expected);
});

Deno.test("characters and colours that are cut in two are put together again", () => {
  assert.equal(filtered([0x63, 0xc3], [0xa9]), "cé");
  assert.equal(filtered("\u001b", "[3", "1m", "red"), "\u001b[31mred");
  assert.equal(filtered("end\u001b[3"), "end\\u001b[3");
  assert.equal(filtered([0xff, 0x61]), "\ufffda");
});

Deno.test("the result does not depend on where the output is cut, and never holds another escape", () => {
  const alphabet = fc.constantFrom("\u001b", "[", "3", "1", ";", "m", "J", "a", "é", "\n", "\u0007");
  fc.assert(fc.property(fc.array(alphabet, { maxLength: 40 }), fc.nat(80), (characters, cut) => {
    const bytes = encoder.encode(characters.join(""));
    const whole = filtered([...bytes]);
    assert.equal(filtered([...bytes.subarray(0, cut)], [...bytes.subarray(cut)]), whole);
    // deno-lint-ignore no-control-regex -- telling control sequences apart is the point
    assert.doesNotMatch(whole.replace(/\u001b\[[0-9;:]*m/g, ""), /[\u0000-\u0008\u000e-\u001f]/);
  }));
});
