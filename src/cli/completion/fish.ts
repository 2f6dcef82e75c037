/**
 * The completion script for fish. Pure.
 */
import type { CommandWords, Completes, OptionWords } from "./command_words.ts";

export function fishScript(nodes: readonly CommandWords[]): string {
  const paths = nodes.filter(({ path }) => path !== "").map(({ path }) => quote(path));
  return `# Completion of airunner in fish: airunner completion fish > ~/.config/fish/completions/airunner.fish

set -g __airunner_paths ${paths.join(" ")}

# Prints the command that the words before the cursor lead to.
function __airunner_path
    set -l at ""
    for word in (commandline -opc)[2..-1]
        test "$word" = -- && break
        string match -q -- '-*' $word && continue
        set -l next (string trim -- "$at $word")
        contains -- $next $__airunner_paths && set at $next
    end
    echo $at
end

function __airunner_at
    test (__airunner_path) = "$argv[1]"; and not contains -- -- (commandline -opc)
end

complete -c airunner -f
${nodes.flatMap(lines).join("\n")}
`;
}

function lines({ path, commands, options, argument }: CommandWords): string[] {
  const start = `complete -c airunner -n ${quote(`__airunner_at "${path}"`)}`;
  return [
    ...commands.map(({ name, summary }) => `${start} -a ${quote(name)} -d ${quote(summary)}`),
    ...options.map((option) => `${start} ${optionFlags(option)} -d ${quote(option.description)}`),
    ...argumentFlags(argument).map((flags) => `${start} ${flags}`),
    ...argument.kind === "program"
      ? ["complete -c airunner -n 'contains -- -- (commandline -opc)' -a '(__fish_complete_subcommand)'"]
      : [],
  ];
}

function optionFlags({ long, value, completes }: OptionWords): string {
  const name = `-l ${long.slice(2)}`;
  if (value === "none") return name;
  // A value that may be left out is never the next word.
  const required = value === "required" ? " -r" : "";
  return [name + required, ...argumentFlags(completes)].join(" ");
}

function argumentFlags({ kind, words }: Completes): string[] {
  switch (kind) {
    case "words":
      return [`-a ${quote(words.join(" "))}`];
    case "file":
      return ["-F"];
    case "directory":
      return ["-a '(__fish_complete_directories)'"];
    default:
      return [];
  }
}

function quote(text: string): string {
  return `'${text.replace(/[\\']/g, "\\$&")}'`;
}
