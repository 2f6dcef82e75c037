/**
 * The configuration file: the table of settings as the shape of a YAML document, and what a file says as the
 * third source of settings.
 */
import type { Source } from "./resolve.ts";
import { type Setting, SETTINGS } from "./settings.ts";
import { type Place, readYamlDocument, type RecordShape, type Shape } from "./yaml_document.ts";

export interface ConfigFile {
  readonly path: string;
  /** What it sets, by the setting's key. */
  readonly places: ReadonlyMap<string, Place>;
}

/** Throws YamlError with everything that is wrong. `path` serves messages, and relative paths in the file. */
export function parseConfigFile(source: string, path: string): ConfigFile {
  return { path, places: readYamlDocument(source, path, CONFIG_SHAPE).places };
}

export function fileSource({ path, places }: ConfigFile): Source {
  return {
    origin: "file",
    find(_name, setting) {
      const place = places.get(setting.key);
      if (place === undefined) return undefined;
      const { text, line, column } = place;
      const directory = path.slice(0, Math.max(path.lastIndexOf("/"), 0)) ||
        (path.startsWith("/") ? "/" : ".");
      return { text, where: `${path} line ${line}, column ${column}`, line, directory };
    },
  };
}

const KEYS_HINT = "`airunner config show` lists the known keys";

const CONFIG_SHAPE: Shape = configShape(Object.values<Setting>(SETTINGS));

function configShape(settings: readonly Setting[]): Shape {
  const fields: Record<string, Shape> = {};
  const groups = new Map<string, Record<string, Shape>>();
  for (const { key, type } of settings) {
    const [first, second] = key.split(".");
    if (second === undefined) fields[first] = { kind: "typed", type };
    else groups.set(first, { ...groups.get(first), [second]: { kind: "typed", type } });
  }
  for (const [name, group] of groups) fields[name] = record(group, wordsElsewhere(settings, name));
  return record(fields, wordsElsewhere(settings, undefined));
}

function record(fields: Record<string, Shape>, elsewhere: Map<string, string>): RecordShape {
  return { kind: "record", fields, anySpelling: true, elsewhere, keysHint: KEYS_HINT };
}

/** Keys of other levels, and flags and variables that somebody may write as if they were keys. */
function wordsElsewhere(settings: readonly Setting[], level: string | undefined): Map<string, string> {
  const words = new Map<string, string>();
  for (const { key, flag, variable } of settings) {
    const [first, second] = key.split(".");
    const meant = second === undefined
      ? level === undefined ? `"${first}"` : `"${first}", without indentation`
      : level === first
      ? `"${second}"`
      : `"${second}", indented below "${first}:"`;
    for (const word of [key, second ?? first, flag.slice(2), variable]) words.set(word, meant);
  }
  return words;
}
