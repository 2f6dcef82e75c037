/**
 * The pages: nothing in them leads nowhere, and nobody names a page that is not there.
 */
import assert from "node:assert/strict";
import { Sandbox } from "./support/airunner.ts";
import { assertCommandLine, commandLines } from "./support/command_lines.ts";
import {
  existsInProject,
  findDeadMentions,
  findDeadReferences,
  readDocument,
  readDocuments,
  readSources,
} from "./support/documents.ts";
import { parsePage } from "./support/markdown.ts";

Deno.test("no link, anchor or path in a page is dead", () => {
  const documents = readDocuments();
  const links = [...documents.values()].flatMap((text) => parsePage(text).links);
  assert.ok(documents.size >= 10 && links.length > 20, "there is something to check");
  assert.deepEqual(findDeadReferences(documents, existsInProject), []);
});

Deno.test("every page that code, tests or shipped files name is there, and so is the place in it", () => {
  assert.deepEqual(findDeadMentions(readSources(), readDocuments()), []);
});

/** Written apart, or these made-up pages would be looked for. */
const DOCS = "docs";

Deno.test("what is dead is found", () => {
  const documents = new Map([
    [
      "README.md",
      `[a](${DOCS}/a.md) [gone](${DOCS}/gone.md) [place](${DOCS}/a.md#nowhere) [here](#there)\n\`src/gone.ts\` \`src/wal\``,
    ],
    [
      `${DOCS}/a.md`,
      '# One\n[up](../README.md) [wrong](README.md) [two](#two-things)\n## Two: things\n<a id="three"></a>',
    ],
  ]);
  const exists = (path: string) => documents.has(path) || path === "src/wal";
  assert.deepEqual(findDeadReferences(documents, exists), [
    `README.md: ${DOCS}/gone.md leads to nothing`,
    `README.md: ${DOCS}/a.md#nowhere leads to no heading and no anchor`,
    "README.md: #there leads to no heading and no anchor",
    "README.md: there is no src/gone.ts",
    `${DOCS}/a.md: README.md leads to nothing`,
  ]);
  const sources = new Map([[
    "x.ts",
    ["a.md", "a.md#three", "a.md#four", "b.md"].map((page) => `${DOCS}/${page}`).join(" "),
  ]]);
  assert.deepEqual(findDeadMentions(sources, documents), [
    `x.ts: ${DOCS}/a.md#four leads to no heading and no anchor`,
    `x.ts: ${DOCS}/b.md is no page`,
  ]);
});

Deno.test("links in fenced blocks and code spans are no links", () => {
  assert.deepEqual(parsePage("```\n[x](y)\n# no heading\n```\n`[x](z)` [w](v)\n").links, ["v"]);
  assert.throws(() => parsePage("```sh\nnever closed\n"), /not closed/);
});

Deno.test("README is short, and its picture fits a terminal", () => {
  const text = readDocument("README.md");
  assert.ok(text.split("\n").length <= 160, "README has more than 160 lines");
  const [picture] = parsePage(text).fences.filter(({ language }) => language === "");
  assert.ok(picture.lines.length > 5);
  // deno-lint-ignore no-control-regex -- plain text in every terminal is the point
  for (const line of picture.lines) assert.match(line, /^[\x00-\x7f]{0,80}$/);
});

Deno.test("every command that a page shows exists, with its options", async () => {
  await using sandbox = new Sandbox();
  const lines = new Set(
    [...readDocuments()].flatMap(([path, text]) => path === "CHANGELOG.md" ? [] : commandLines(text)),
  );
  assert.ok(lines.size > 40, "there is something to check");
  for (const line of lines) await assertCommandLine(sandbox, line);
});
