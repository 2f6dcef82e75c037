import assert from "node:assert/strict";
import { escapeControls, type LogLevel } from "./logger.ts";
import { createLogger } from "./text_logger.ts";

function lines(level: LogLevel): { logger: ReturnType<typeof createLogger>; written: string[] } {
  const written: string[] = [];
  return { logger: createLogger(level, (line) => written.push(line)), written };
}

Deno.test("logger writes a level, a sentence and fields", () => {
  const { logger, written } = lines("debug");
  logger.debug("WAL created", { job_id: "0190", sequence: 7n, skipped: undefined });
  logger.error("Cannot write", { path: "/a b", reason: 'say "no"' });
  assert.deepEqual(written, [
    "DBG WAL created job_id=0190 sequence=7",
    String.raw`ERR Cannot write path="/a b" reason="say \"no\""`,
  ]);
});

Deno.test("logger drops lines below its level", () => {
  const { logger, written } = lines("warn");
  logger.debug("a");
  logger.info("b");
  logger.warn("c");
  logger.error("d");
  assert.deepEqual(written, ["WRN c", "ERR d"]);
});

Deno.test("logger adds bound fields to each line, and the line's own win", () => {
  const { logger, written } = lines("info");
  logger.with({ job_id: "a", queue: "q" }).with({ queue: "r" }).info("Hello", { job_id: "b" });
  assert.deepEqual(written, ["INF Hello job_id=b queue=r"]);
});

Deno.test("logger writes a line's own fields before those that it adds, as the runbook shows them", () => {
  const { logger, written } = lines("debug");
  logger.with({ job_id: "a" }).debug("Appending record", { sequence: 1n, offset: 16 });
  assert.deepEqual(written, ["DBG Appending record sequence=1 offset=16 job_id=a"]);
});

Deno.test("logger keeps the secrets it was told of out of its lines, and out of those of loggers made from it", () => {
  const { logger, written } = lines("info");
  logger.with({ job_id: "a" }, ["s3cret"]).with({ queue: "q" }, ["0ther"]).info("Refused s3cret", {
    error: "0ther!",
  });
  assert.deepEqual(written, ["INF Refused [withheld] error=[withheld]! queue=q job_id=a"]);
});

Deno.test("logger keeps one event on one line and lets nothing act on the terminal", () => {
  const { logger, written } = lines("info");
  logger.info("two\nlines", { value: "\x1b[2J\u009b\u202e\x7f", empty: "" });
  assert.deepEqual(written, [String.raw`INF two\u000alines value="\u001b[2J\u009b\u202e\u007f" empty=""`]);
});

Deno.test("escaping leaves printable text of any language alone", () => {
  assert.equal(escapeControls("grün 日本 🚀"), "grün 日本 🚀");
});
