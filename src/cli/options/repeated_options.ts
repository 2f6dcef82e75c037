/**
 * The options of this run that a suggested command needs as well, so that it can be pasted and means the same
 * directories and the same server. Pure.
 */
import { shellWord } from "../../platform/text.ts";

const DIRECTORIES = ["--config", "--data-dir", "--wal-dir", "--archive-dir"];
const SERVER = ["--server", "--credential"];

/** Commands whose options name directories, and of these the ones that talk to a server. */
const USES_DIRECTORIES = /^(?:wal|worker|config)\b/;
const USES_SERVER = /^(?:worker|wal replay)\b/;

/** `args`: the words of this run. `hasServer`: whether a server is known from somewhere. */
export function commandLine(words: string, args: readonly string[], hasServer: boolean): string {
  const usesServer = USES_SERVER.test(words);
  const wanted = [...(USES_DIRECTORIES.test(words) ? DIRECTORIES : []), ...(usesServer ? SERVER : [])];
  const repeated = typedOptions(args, wanted);
  if (usesServer && !hasServer) repeated.push("--server=URL");
  return ["airunner", words, ...repeated].join(" ");
}

/** `--name=VALUE` of each of `names` that was typed, the last one of each, in the order of `names`. */
function typedOptions(args: readonly string[], names: readonly string[]): string[] {
  return names.flatMap((name) => {
    const at = args.findLastIndex((word) => word === name || word.startsWith(`${name}=`));
    if (at < 0) return [];
    const value = args[at] === name ? args[at + 1] : args[at].slice(name.length + 1);
    return value === undefined ? [] : [`${name}=${shellWord(value)}`];
  });
}
