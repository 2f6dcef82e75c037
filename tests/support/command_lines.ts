/**
 * Command lines in texts, and whether the compiled binary knows what they name.
 */
import assert from "node:assert/strict";
import type { Sandbox } from "./airunner.ts";
import { GROUPS } from "../../src/cli/table/commands.ts";
import { parsePage } from "./markdown.ts";

/**
 * Every `airunner …` in code spans and in fenced blocks of shell commands. Comments and what is piped
 * elsewhere are left out.
 */
export function commandLines(page: string): string[] {
  const { codeSpans, fences } = parsePage(page);
  const shell = fences.filter(({ language }) => language === "sh").flatMap(({ lines }) => lines);
  return [...codeSpans, ...shell]
    .map((line) => line.replace(/^(?:[A-Z_]+=\S* +)*(?:dist\/)?/, "").replace(/ +(#|&|>|\|).*$/, ""))
    .filter((line) => /^airunner /.test(line) && !/[A-Z]{7}|\$\(/.test(line));
}

/** Words that are the command's own: `wal ls` of `airunner wal ls --pending`. A command has two at most. */
function pathOf(words: readonly string[]): string[] {
  const end = words.findIndex((word) => !/^[a-z]+$/.test(word));
  return words.slice(0, Math.min(end < 0 ? words.length : end, Object.hasOwn(GROUPS, words[0]) ? 2 : 1));
}

/** Asks the command's own help about its name and its options. What stands after `--` is a job's. */
export async function assertCommandLine(sandbox: Sandbox, line: string): Promise<void> {
  const words = line.split(" -- ")[0].split(" ").slice(1);
  const isTopic = words[0] === "help";
  const path = isTopic ? words : pathOf(words);
  const { code, stdout, stderr } = await sandbox.run(isTopic ? path : [...path, "--help"]);
  assert.equal(code, 0, `${line}: ${stderr}`);
  const help = new TextDecoder().decode(stdout);
  if (isTopic) return;
  if (path.length > 0) assert.match(help, new RegExp(`^Usage: airunner ${path.join(" ")} `), line);
  for (const [option] of words.join(" ").matchAll(/--[a-z-]+/g)) {
    assert.match(help, new RegExp(`${option}(?![\\w-])`), `${line}: ${option} is not in its help`);
  }
}
