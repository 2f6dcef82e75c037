/**
 * What the pages state as a table or an example, held against the code that decides it.
 */
import assert from "node:assert/strict";
import { parse } from "yaml";
import { ALLOWED } from "../scripts/check_layers.ts";
import { ExitCode } from "../src/screens/exit_code.ts";
import { type Setting, SETTINGS } from "../src/config/settings.ts";
import { file_airunner_v1_airunner } from "../src/events/gen/airunner/v1/airunner_pb.ts";
import { file_job_v1_job } from "../src/events/gen/job/v1/job_pb.ts";
import { SERVER_METRICS, WORKER_METRICS } from "../src/metrics/table.ts";
import { PROBLEMS, Scanner } from "../src/wal/scanner.ts";
import { Ledger } from "../src/wal/ledger.ts";
import { readDocument } from "./support/documents.ts";
import { parsePage, readTable } from "./support/markdown.ts";
import { documentedMessages, messagesOf, splitByPackage } from "./support/wire_document.ts";

Deno.test("the configuration page has every setting, with its flag and its default", () => {
  const rows = readDocument("docs/configuration.md").split("\n").filter((line) =>
    /^\| `[A-Z]\w+(\.\w+)?` \| `--/.test(line)
  );
  const expected = Object.values<Setting>(SETTINGS).map((setting) => {
    const { key, flag, defaultText, description, isReloadable, type } = setting;
    const fallback = setting.default === undefined ? defaultText ?? "none" : type.format(setting.default);
    return `| \`${key}\` | \`${flag}\` | ${fallback} | ${isReloadable ? "yes" : ""} | ${description} |`;
  });
  assert.deepEqual(rows.sort(), expected.sort());
});

Deno.test("the configuration page's example is a file that parses, of settings that exist", () => {
  const [example] = parsePage(readDocument("docs/configuration.md")).fences.filter(({ language }) =>
    language === "yaml"
  );
  const found = parse(example.lines.join("\n")) as Record<string, unknown>;
  const keys = Object.entries(found).flatMap(([key, value]) =>
    typeof value === "object" && value !== null ? Object.keys(value).map((inner) => `${key}.${inner}`) : [key]
  );
  const known = new Map(Object.values<Setting>(SETTINGS).map((setting) => [setting.key, setting.type]));
  assert.ok(keys.length > 3);
  for (const key of keys) {
    const value = key.split(".").reduce(
      (object, name) => (object as Record<string, unknown>)[name],
      found as unknown,
    );
    assert.notEqual(known.get(key)?.parse(String(value)), undefined, `${key}: ${value}`);
  }
});

Deno.test("the monitoring page has every metric of worker and server, and no other", () => {
  const text = readDocument("docs/monitoring.md");
  for (
    const [header, metrics] of [["| metric |", WORKER_METRICS], [
      "| metric of a server |",
      SERVER_METRICS,
    ]] as const
  ) {
    const rows = readTable(text, `${header} meaning |`);
    const named = rows.flatMap(([names]) => [...names.matchAll(/`(\w+)/g)].map(([, name]) => name));
    // The process's own, which the page sums up as `process_*`.
    const expected = metrics.map(({ name }) => name.replace(/^process_.*/, "process_"));
    assert.deepEqual(named.sort(), [...new Set(expected)].sort());
  }
});

Deno.test("the operations page has every exit code", () => {
  const rows = readTable(readDocument("docs/operations.md"), "| code | meaning |");
  assert.deepEqual(rows.map(([code]) => Number(code)), Object.values(ExitCode).sort((a, b) => a - b));
});

Deno.test("the format page names every damage, in the scanner's words", () => {
  const rows = readTable(readDocument("docs/format.md"), "| name | is | offset |");
  assert.deepEqual(rows.map(([name]) => name).sort(), PROBLEMS.map((problem) => `\`${problem}\``).sort());
});

Deno.test("the format page's example is a log with one event and its acknowledgement", () => {
  const examples = parsePage(readDocument("docs/format.md")).fences.map(({ lines }) => lines.join(" "));
  const [hex] = examples.filter((text) => text.startsWith("41 52 57"));
  const bytes = Uint8Array.from(hex.trim().split(/\s+/), (byte) => parseInt(byte, 16));
  const scanner = new Scanner();
  const records = scanner.push(bytes);
  assert.deepEqual(scanner.finish(), { damage: undefined, goodBytes: bytes.length, records: 2 });
  assert.equal(new TextDecoder().decode(records[0].payload), "hello");
  const ledger = new Ledger();
  assert.deepEqual(records.map((record) => ledger.add(record)), ["event", "acknowledgement"]);
  assert.equal(ledger.sent, 1);
});

Deno.test("the protocol page has the messages, fields, enums and methods that are compiled in", () => {
  const { job, airunner } = splitByPackage(readDocument("docs/wire.md"));
  assert.deepEqual(documentedMessages(job), messagesOf(file_job_v1_job));
  assert.deepEqual(documentedMessages(airunner), messagesOf(file_airunner_v1_airunner));
});

Deno.test("the protocol page marks as ours what the protocol's file calls an extension", () => {
  const proto = readDocument("src/events/proto/job/v1/job.proto");
  const fields = [...proto.matchAll(/\/\/ Extension:.*\n((?: +\w+ \w+ = \d+;\n)+)/g)].flatMap(([, block]) =>
    [...block.matchAll(/(\w+) (\w+) = (\d+);/g)].map(([, type, name, number]) => `${number} ${name} ${type}`)
  );
  assert.equal(fields.length, 4);
  const marked = [...readDocument("docs/wire.md").matchAll(/\*\*ours\*\* (\d+ \w+ \w+)/g)].map(([, field]) =>
    field
  );
  assert.deepEqual(marked.sort(), fields.sort());
});

Deno.test("the design page has the rooms and arrows that are checked", () => {
  const text = readDocument("docs/design.md");
  const [layout] = parsePage(text).fences.filter(({ lines }) => lines[0].startsWith("main.ts "));
  const rooms = layout.lines.map((line) => /^(\w+)\/ /.exec(line)?.[1]).filter((room) => room !== undefined);
  assert.deepEqual(rooms.sort(), Object.keys(ALLOWED).sort());
  const arrows = new Map<string, string[]>(rooms.map((room) => [room, []]));
  for (const [from, to] of readTable(text, "| from | may import, beside `platform/` |")) {
    const all = rooms.filter((room) => room !== "platform" && room !== from);
    for (const room of from.split(", ")) arrows.set(room, to === "all" ? all : to.split(", "));
  }
  const allowed = Object.entries(ALLOWED).map(([from, to]) =>
    [from, to.filter((room) => room !== "platform").sort()] as const
  );
  const sorted = [...arrows].map(([from, to]) => [from, to.toSorted()] as const);
  assert.deepEqual(Object.fromEntries(sorted), Object.fromEntries(allowed));
});
