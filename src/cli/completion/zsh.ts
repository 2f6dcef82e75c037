/**
 * The completion script for zsh. Pure.
 */
import type { CommandWords, Completes } from "./command_words.ts";

/**
 * What does not depend on the command table: it goes through the words that were typed, and asks the tables
 * about each.
 */
const COMPLETER = `_airunner_reply() {
  case $1 in
  words\\ *) compadd -- \${=1#words } ;;
  file) _files ;;
  directory) _files -/ ;;
  program) _command_names -e ;;
  esac
}

_airunner() {
  local at="" option="" ended="" word value argument next
  local -a commands options valued
  local -i i
  _airunner_words ""
  for ((i = 2; i < CURRENT; i++)); do
    word=$words[i]
    option=""
    case $word in
    --)
      ended=yes
      break
      ;;
    -*=*) ;;
    -*)
      if ((\${valued[(Ie)$word]})); then
        option=$word
        ((i += 1))
        ((i >= CURRENT)) || option=""
      fi
      ;;
    *)
      next="\${at:+$at }$word"
      if [[ $at == help ]] || ((\${commands[(I)\${(b)word}:*]})); then
        at=$next
        _airunner_words "$at"
      fi
      ;;
    esac
  done
  if [[ -n $ended ]]; then
    [[ $argument == program ]] && _airunner_reply program
    return
  fi
  if [[ -z $option && $words[CURRENT] == --*=* ]]; then
    option=\${words[CURRENT]%%=*}
    compset -P '*='
  fi
  if [[ -n $option ]]; then
    _airunner_value "$at" "$option"
    _airunner_reply "$value"
  elif [[ $words[CURRENT] == -* ]]; then
    _describe -o option options
  elif ((\${#commands})); then
    _describe command commands
  elif [[ $argument != program ]]; then
    _airunner_reply "$argument"
  fi
}

if [[ $funcstack[1] == _airunner ]]; then
  _airunner "$@"
else
  compdef _airunner airunner
fi
`;

export function zshScript(nodes: readonly CommandWords[]): string {
  return `#compdef airunner
# Completion of airunner in zsh. In ~/.zshrc, after compinit: eval "$(airunner completion zsh)"

# What follows the command $1: commands and options with what they do, names of options with a value, what arguments are.
_airunner_words() {
  commands=() options=() valued=() argument=nothing
  case $1 in
${nodes.map(wordsCase).join("\n")}
  esac
}

# What the value of option $2 of the command $1 is.
_airunner_value() {
  case "$1 $2" in
${valueCases(nodes)}
  *) value=nothing ;;
  esac
}

${COMPLETER}`;
}

function wordsCase({ path, commands, options, argument }: CommandWords): string {
  return `  ${quote(path)})
    commands=(${commands.map(({ name, summary }) => quote(described(name, summary))).join(" ")})
    options=(${options.map(({ long, description }) => quote(described(long, description))).join(" ")})
    valued=(${options.filter(({ value }) => value === "required").map(({ long }) => long).join(" ")})
    argument=${quote(reply(argument))}
    ;;`;
}

function valueCases(nodes: readonly CommandWords[]): string {
  const patterns = new Map<string, string[]>();
  for (const { path, options } of nodes) {
    for (const { long, completes } of options) {
      if (completes.kind === "nothing") continue;
      const key = reply(completes);
      patterns.set(key, [...patterns.get(key) ?? [], quote(`${path} ${long}`)]);
    }
  }
  return [...patterns].map(([key, names]) => `  ${names.join(" | ")}) value=${quote(key)} ;;`).join("\n");
}

/** `_describe` cuts a word from its description at the first colon. */
function described(word: string, description: string): string {
  return `${word.replaceAll(":", "\\:")}:${description}`;
}

function reply({ kind, words }: Completes): string {
  return kind === "words" ? `words ${words.join(" ")}` : kind;
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
