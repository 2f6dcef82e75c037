/**
 * The screen of `config validate`. Pure.
 */
import { counted, shown, type Style } from "../platform/text.ts";

export interface ConfigProblem {
  readonly line?: number;
  readonly column?: number;
  readonly reason: string;
  readonly excerpt?: string;
}

export interface Validation {
  /** Undefined when there is no file. */
  path: string | undefined;
  readonly looked: readonly string[];
  /** How many settings the file has. */
  settings: number;
  readonly problems: ConfigProblem[];
  readonly warnings: string[];
}

export function renderValidation(
  { path, looked, settings, problems, warnings }: Validation,
  style: Style,
): string {
  let text = "";
  for (const { line, column, reason, excerpt } of problems) {
    const place = line === undefined ? "" : `line ${line}, column ${column}: `;
    text += `${style.bad(place + shown(reason))}\n`;
    for (const row of excerpt?.split("\n") ?? []) text += `  ${shown(row)}\n`;
  }
  for (const warning of warnings) text += `${style.warn(`Warning: ${shown(warning)}`)}\n`;
  if (problems.length > 0) {
    const file = path === undefined ? "" : ` (${shown(path)})`;
    return text +
      style.bold(
        `${counted(problems.length, "problem")}: workers and commands refuse this configuration${file}`,
      ) +
      "\nA worker that runs goes on with the settings it has.\n";
  }
  if (path === undefined) {
    return text + `No configuration file; looked for ${looked.map(shown).join(", ")}\n` +
      "Defaults, flags and the environment hold. To write one, type: airunner config init\n";
  }
  return text + style.good(`${shown(path)} is valid: it sets ${counted(settings, "setting")}`) + "\n";
}
