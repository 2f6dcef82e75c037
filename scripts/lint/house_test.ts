import assert from "node:assert/strict";
import house from "./house.ts";

function findings(source: string): string[] {
  return Deno.lint.runPlugin(house, "a.ts", source).map(({ id }) => id);
}

const lines = (count: number, line: string) => Array.from({ length: count }, () => line).join("\n");

Deno.test("a file of 400 lines is let through, and one of 401 is not", () => {
  assert.deepEqual(findings(lines(400, "f();") + "\n"), []);
  assert.deepEqual(findings(lines(401, "f();") + "\n"), ["house/file-length"]);
});

Deno.test("a function of 70 lines is let through, and one of 71 is not, whatever its form", () => {
  const functions = (body: number) => [
    `function f() {\n${lines(body, "g();")}\n}`,
    `const f = () => {\n${lines(body, "g();")}\n};`,
    `class A {\nf() {\n${lines(body, "g();")}\n}\n}`,
  ];
  for (const source of functions(68)) assert.deepEqual(findings(source), [], source);
  for (const source of functions(69)) assert.deepEqual(findings(source), ["house/function-length"], source);
});

Deno.test("comments end at column 110, those behind code too; strings may be longer", () => {
  const text = "x".repeat(107);
  assert.deepEqual(findings(`// ${text}`), []);
  assert.deepEqual(findings(`// ${text}x`), ["house/comment-width"]);
  assert.deepEqual(findings(`/**\n * ${text}x\n */`), ["house/comment-width"]);
  assert.deepEqual(findings(`f(); // ${text}`), ["house/comment-width"]);
  assert.deepEqual(findings(`f("${text}${text}");`), []);
});

Deno.test("private members begin with #; a constructor may be private", () => {
  assert.deepEqual(findings("class A { private b = 1; private c() {} }"), [
    "house/hash-private",
    "house/hash-private",
  ]);
  assert.deepEqual(findings("class A { #b = 1; private constructor() { this.#b; } }"), []);
});
