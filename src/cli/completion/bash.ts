/**
 * The completion script for bash. It needs nothing but bash itself, 4.4 or newer. Pure.
 */
import type { CommandWords, Completes } from "./command_words.ts";

/**
 * What does not depend on the command table: it goes through the words that were typed, and asks the tables
 * about each.
 */
const COMPLETER = `_airunner_reply() {
  local kind=\${1%% *}
  case $kind in
  words) COMPREPLY=($(compgen -W "\${1#words}" -- "$2")) ;;
  file | directory)
    compopt -o filenames 2>/dev/null
    local flag=-f IFS=$'\\n'
    [[ $kind == directory ]] && flag=-d
    COMPREPLY=($(compgen $flag -- "$2"))
    ;;
  program) COMPREPLY=($(compgen -c -- "$2")) ;;
  esac
}

_airunner() {
  local current=\${COMP_WORDS[COMP_CWORD]} at="" option="" prefix="" ended="" commands valued plain argument value
  COMPREPLY=()
  _airunner_words ""
  local i word
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    option=""
    case $word in
    --)
      ended=yes
      break
      ;;
    -*)
      # bash cuts words at "=", so that --sync=always comes as three of them.
      if [[ \${COMP_WORDS[i + 1]} == "=" ]]; then
        option=$word
        ((i += 2))
      elif [[ $word != *=* && " $valued " == *" $word "* ]]; then
        option=$word
        ((i += 1))
      fi
      # Only an option whose value is being typed is still of interest.
      ((i >= COMP_CWORD)) || option=""
      ;;
    *)
      if [[ " $commands " == *" $word "* ]]; then
        at=\${at:+$at }$word
        _airunner_words "$at"
      elif [[ $at == help ]]; then
        at="help $word"
        _airunner_words "$at"
      fi
      ;;
    esac
  done
  if [[ -n $ended ]]; then
    [[ $argument == program ]] && _airunner_reply program "$current"
    return
  fi
  [[ $current == "=" ]] && current=""
  # Where "=" is no word break the option and its value are one word.
  if [[ -z $option && $current == --*=* ]]; then
    option=\${current%%=*}
    prefix=$option=
    current=\${current#*=}
  fi
  if [[ -n $option ]]; then
    _airunner_value "$at" "$option"
    _airunner_reply "$value" "$current"
    COMPREPLY=("\${COMPREPLY[@]/#/$prefix}")
  elif [[ $current == -* ]]; then
    local names="$plain" name
    for name in $valued; do names+=" $name="; done
    COMPREPLY=($(compgen -W "$names" -- "$current"))
    [[ \${#COMPREPLY[@]} == 1 && $COMPREPLY == *= ]] && compopt -o nospace 2>/dev/null
  elif [[ -n $commands ]]; then
    COMPREPLY=($(compgen -W "$commands" -- "$current"))
  elif [[ $argument != program ]]; then
    _airunner_reply "$argument" "$current"
  fi
  return 0
}

complete -F _airunner airunner
`;

export function bashScript(nodes: readonly CommandWords[]): string {
  return `# Completion of airunner in bash. In ~/.bashrc: eval "$(airunner completion bash)"

# What follows the command $1: its commands, options with a value, options without, and what its arguments are.
_airunner_words() {
  commands="" valued="" plain="--help" argument=nothing
  case $1 in
${nodes.map(wordsCase).join("\n")}
  esac
}

# What the value of option $2 of the command $1 is: "words ...", "file", "directory" or "nothing".
_airunner_value() {
  case "$1 $2" in
${valueCases(nodes)}
  *) value=nothing ;;
  esac
}

${COMPLETER}`;
}

function wordsCase({ path, commands, options, argument }: CommandWords): string {
  const named = (isValued: boolean) =>
    options.filter(({ value }) => (value === "required") === isValued).map(({ long }) => long).join(" ");
  return `  "${path}")
    commands="${commands.map(({ name }) => name).join(" ")}"
    valued="${named(true)}"
    plain="${named(false)}"
    argument="${reply(argument)}"
    ;;`;
}

function valueCases(nodes: readonly CommandWords[]): string {
  const patterns = new Map<string, string[]>();
  for (const { path, options } of nodes) {
    for (const { long, completes } of options) {
      if (completes.kind === "nothing") continue;
      const key = reply(completes);
      patterns.set(key, [...patterns.get(key) ?? [], `"${path} ${long}"`]);
    }
  }
  return [...patterns].map(([key, names]) => `  ${names.join(" | ")}) value="${key}" ;;`).join("\n");
}

function reply({ kind, words }: Completes): string {
  return kind === "words" ? `words ${words.join(" ")}` : kind;
}
