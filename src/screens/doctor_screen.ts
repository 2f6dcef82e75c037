/**
 * The screen of `airunner doctor`: a line for each check, and below what is not well the commands that cure
 * it. Pure.
 */
import type { CheckResult, Level } from "../doctor/finding.ts";
import { counted, type Style } from "../platform/text.ts";

const WORDS: Readonly<Record<Level, string>> = {
  ok: "ok",
  warning: "warning",
  problem: "PROBLEM",
  skipped: "-",
};

const INDENT = "    ";

export function renderDoctor(results: readonly CheckResult[], style: Style): string {
  const wordWidth = Math.max(...Object.values(WORDS).map((word) => word.length));
  const titleWidth = Math.max(...results.map(({ title }) => title.length));
  const lines = results.map(({ level, title, found, cures }) => {
    const word = emphasis(level, style)(WORDS[level].padEnd(wordWidth));
    const line = `${word}  ${title.padEnd(titleWidth)}  ${found}\n`;
    return line +
      cures.map(([command, effect]) => `${INDENT}${style.bold(command)}\n${INDENT}    ${style.dim(effect)}\n`)
        .join("");
  });
  return `${lines.join("")}\n${summary(results, style)}\n`;
}

function emphasis(level: Level, style: Style): (text: string) => string {
  return { ok: style.good, warning: style.warn, problem: style.bad, skipped: style.dim }[level];
}

export function summary(results: readonly CheckResult[], style: Style): string {
  const count = (level: Level) => results.filter((result) => result.level === level).length;
  const [problems, warnings, skipped] = [count("problem"), count("warning"), count("skipped")];
  const unchecked = skipped === 0 ? "" : `; ${counted(skipped, "check")} not made`;
  if (problems === 0 && warnings === 0) return style.good(`All is well${unchecked}`);
  const parts = [
    ...(problems > 0 ? [style.bad(counted(problems, "problem"))] : []),
    ...(warnings > 0 ? [style.warn(counted(warnings, "warning"))] : []),
  ];
  return `${parts.join(", ")}${unchecked}`;
}
