/**
 * Reads a YAML document against a shape, strictly: what is unknown, missing or of the wrong kind is refused
 * with its line and column, what was found, what was expected, and the nearest known key. Positions come from
 * the syntax tree, so the shape is checked on the tree and not on the values it would turn into.
 */
import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
  type Scalar,
  type YAMLError,
  type YAMLMap,
} from "yaml";
import { nearest, plain } from "./nearest.ts";
import { withoutSecrets } from "./secrets.ts";
import type { ValueType } from "./value_type.ts";
import { excerptOf, YamlError, type YamlProblem } from "./yaml_error.ts";

export { YamlError } from "./yaml_error.ts";

/** What a place in the document may hold. */
export type Shape =
  | { readonly kind: "text" }
  | { readonly kind: "integer"; readonly min: number; readonly max: number }
  | { readonly kind: "boolean" }
  | { readonly kind: "word"; readonly words: readonly string[] }
  /** Whatever its type reads, from the text as it is written: `030` is not made a number and text again. */
  | { readonly kind: "typed"; readonly type: ValueType<unknown> }
  | { readonly kind: "list"; readonly of: Shape }
  /** Any keys, all with the same kind of value. */
  | { readonly kind: "table"; readonly of: Shape }
  | RecordShape;

export interface RecordShape {
  readonly kind: "record";
  readonly fields: Readonly<Record<string, Shape>>;
  /** Keys match whatever their case, `_` or `-`. */
  readonly anySpelling?: boolean;
  /** Words that are no keys here, and what is meant by them: completes "did you mean …?". */
  readonly elsewhere?: ReadonlyMap<string, string>;
  /** Says where the known keys are listed, when they are too many for a message. */
  readonly keysHint?: string;
}

export type YamlValue = string | number | boolean | YamlValue[] | { [key: string]: YamlValue };

export interface Place {
  readonly text: string;
  readonly line: number;
  readonly column: number;
}

export interface YamlDocument {
  readonly value: YamlValue;
  /** The typed values by key; dots separate levels, and keys are spelled as in the shape. */
  readonly places: ReadonlyMap<string, Place>;
}

/** The document's value, which has exactly the shape. Throws YamlError. `path` serves messages alone. */
export function readYaml(source: string, path: string, shape: Shape): YamlValue {
  return readYamlDocument(source, path, shape).value;
}

/** As `readYaml`, with the place of each typed value. */
export function readYamlDocument(source: string, path: string, shape: Shape): YamlDocument {
  const lines = new LineCounter();
  const document = parseDocument(source, {
    lineCounter: lines,
    prettyErrors: false,
    // Merge keys and custom tags would let a value come from a place that the error could not name.
    version: "1.2",
    // Said better below, where other spellings of a key are known as well.
    uniqueKeys: false,
  });
  const reader = new Reader(source, lines);
  const value = reader.readDocument(document, shape);
  if (reader.problems.length > 0) {
    throw new YamlError(path, reader.problems, { cause: document.errors[0] });
  }
  return { value: value!, places: reader.places };
}

/** Enough for any file that somebody wrote by hand; the rest is found once these are mended. */
const PROBLEMS_MAX = 100;

class Reader {
  readonly problems: YamlProblem[] = [];
  readonly places = new Map<string, Place>();
  readonly #text: readonly string[];
  readonly #lines: LineCounter;
  /** Behind the first syntax error the tree is guesswork, and what it lacks says nothing about the file. */
  #soundUntil = Infinity;

  constructor(source: string, lines: LineCounter) {
    this.#text = source.split(/\r?\n/);
    this.#lines = lines;
  }

  readDocument(document: Document.Parsed, shape: Shape): YamlValue | undefined {
    const errors = [...document.errors, ...document.warnings].sort((a, b) => a.pos[0] - b.pos[0]);
    let value: YamlValue | undefined = {};
    if (document.errors.length > 0) this.#soundUntil = Math.min(...document.errors.map(({ pos }) => pos[0]));
    // The empty document is an empty record: a file of comments only sets nothing.
    if (document.contents !== null && !isEmptyScalar(document.contents)) {
      value = this.#read(document.contents as Node, shape, "");
    }
    for (const error of errors) {
      this.#soundUntil = Infinity;
      this.#syntaxProblem(error);
    }
    this.problems.sort((a, b) => a.line - b.line || a.column - b.column);
    return value;
  }

  /** One for each line: the parser stumbles several times over the same stone. */
  #syntaxProblem(error: YAMLError): void {
    const { line } = this.#lines.linePos(error.pos[0]);
    if (this.problems.some((problem) => problem.line === line)) return;
    this.#problem(error.pos[0], syntaxReason(error));
  }

  #problem(offset: number, reason: string): undefined {
    if (offset >= this.#soundUntil || this.problems.length >= PROBLEMS_MAX) return undefined;
    const { line, column } = this.#position(offset);
    const excerpt = excerptOf(this.#text[line - 1] ?? "", column);
    this.problems.push({ line, column, reason: withoutSecrets(reason), excerpt });
    return undefined;
  }

  #position(offset: number): { line: number; column: number } {
    const { line, col } = this.#lines.linePos(offset);
    return { line: Math.max(line, 1), column: Math.max(col, 1) };
  }

  /** Undefined after a problem, which has been noted. */
  #read(node: Node | null, shape: Shape, key: string): YamlValue | undefined {
    const offset = node?.range?.[0] ?? 0;
    if (isAlias(node)) {
      return this.#problem(offset, `Aliases are not supported; repeat the value of ${label(key)}`);
    }
    switch (shape.kind) {
      case "record":
      case "table":
        if (!isMap(node)) return this.#problem(offset, mismatch(key, "keys and values", node));
        return this.#readMap(node, shape, key);
      case "list": {
        if (!isSeq(node)) return this.#problem(offset, mismatch(key, "a list, such as [one, two]", node));
        const items = node.items.map((item, index) => this.#read(item as Node, shape.of, `${key}[${index}]`));
        return items.filter((item) => item !== undefined);
      }
      default: {
        const value = isScalar(node) ? scalar(node, shape) : undefined;
        if (value === undefined) return this.#problem(offset, mismatch(key, expectation(shape), node));
        if (shape.kind === "typed") {
          this.places.set(key, { text: value as string, ...this.#position(offset) });
        }
        return value;
      }
    }
  }

  #readMap(map: YAMLMap, shape: Shape & { kind: "record" | "table" }, key: string): YamlValue {
    // No prototype: a key named __proto__ is a key like any other.
    const result: { [key: string]: YamlValue } = Object.create(null);
    const seen = new Map<string, { name: string; line: number }>();
    for (const pair of map.items as Pair<Node, Node | null>[]) {
      // Looking for what was meant takes time, and a file that is no configuration has many keys.
      if (this.problems.length >= PROBLEMS_MAX) break;
      const offset = pair.key?.range?.[0] ?? 0;
      if (!isScalar(pair.key)) {
        this.#problem(offset, `A key of ${label(key)} is not text`);
        continue;
      }
      const name = String(pair.key.value);
      const field = shape.kind === "table" ? { name, shape: shape.of } : fieldOf(shape, name);
      if (field === undefined) {
        this.#problem(offset, unknownKey(name, key, shape as RecordShape));
        continue;
      }
      const earlier = seen.get(field.name);
      if (earlier !== undefined) {
        const spelling = earlier.name === name ? "" : ` as "${earlier.name}"`;
        this.#problem(
          offset,
          `Duplicate key ${JSON.stringify(name)}: line ${earlier.line} has it already${spelling}; keep one`,
        );
        continue;
      }
      seen.set(field.name, { name, line: this.#position(offset).line });
      const value = this.#read(pair.value, field.shape, key ? `${key}.${field.name}` : field.name);
      if (value !== undefined) result[field.name] = value;
    }
    return result;
  }
}

function fieldOf(shape: RecordShape, name: string): { name: string; shape: Shape } | undefined {
  const known = shape.anySpelling
    ? Object.keys(shape.fields).find((field) => plain(field) === plain(name))
    : Object.hasOwn(shape.fields, name)
    ? name
    : undefined;
  return known === undefined ? undefined : { name: known, shape: shape.fields[known] };
}

function scalar({ value, source, type }: Scalar, shape: Shape): YamlValue | undefined {
  switch (shape.kind) {
    case "text":
      return typeof value === "string" ? value : undefined;
    case "integer":
      return typeof value === "number" && Number.isInteger(value) && value >= shape.min && value <= shape.max
        ? value
        : undefined;
    case "boolean":
      return typeof value === "boolean" ? value : undefined;
    case "word":
      return typeof value === "string" ? shape.words.find((word) => word === value.toLowerCase()) : undefined;
    case "typed": {
      if (value === null) return undefined;
      const text = typeof value === "string" || type !== "PLAIN" ? String(value) : source ?? String(value);
      return shape.type.parse(text) === undefined ? undefined : text;
    }
    default:
      return undefined;
  }
}

function expectation(shape: Shape): string {
  switch (shape.kind) {
    case "text":
      return "text; put quotes around it";
    case "integer":
      return `a whole number from ${shape.min} to ${shape.max}`;
    case "boolean":
      return "true or false";
    case "word":
      return `one of ${shape.words.join(", ")}`;
    case "typed":
      return shape.type.expected;
    default:
      return "keys and values";
  }
}

function mismatch(key: string, expected: string, node: Node | null): string {
  return `Cannot read ${label(key)}: found ${describe(node)}, expected ${expected}`;
}

/** A value in a message: whoever pasted a file into a key does not want to read it again. */
const FOUND_CHARACTERS_MAX = 60;

function describe(node: Node | null): string {
  if (isMap(node)) return "keys and values";
  if (isSeq(node)) return "a list";
  if (!isScalar(node) || node.value === null) return "nothing";
  if (typeof node.value !== "string") return `the ${typeof node.value} ${node.source ?? node.value}`;
  const text = node.value;
  return JSON.stringify(
    text.length > FOUND_CHARACTERS_MAX ? text.slice(0, FOUND_CHARACTERS_MAX) + "…" : text,
  );
}

function unknownKey(name: string, parent: string, shape: RecordShape): string {
  const known = Object.keys(shape.fields);
  const guess = nearest(name, [...known, ...(shape.elsewhere?.keys() ?? [])]);
  const meant = guess === undefined
    ? undefined
    : known.includes(guess)
    ? `"${guess}"`
    : shape.elsewhere!.get(guess);
  const hint = meant ? `did you mean ${meant}?` : shape.keysHint ?? `known keys: ${known.join(", ")}`;
  return `Unknown key ${JSON.stringify(name)}${parent ? ` in ${parent}` : ""}; ${hint}`;
}

function label(key: string): string {
  return key === "" ? "the document" : `"${key}"`;
}

function isEmptyScalar(node: unknown): boolean {
  return isScalar(node) && node.value === null && !node.source;
}

/** The parser's words where they speak to whoever writes a file, ours where they speak of the parser. */
function syntaxReason({ code, message }: YAMLError): string {
  switch (code) {
    case "MULTIPLE_DOCS":
      return "Found a second document behind ---, expected one";
    case "RESOURCE_EXHAUSTION":
      return "Found brackets within brackets, far more than anything here needs";
    case "BLOCK_AS_IMPLICIT_KEY":
      return 'Found a key within a value: the next line is indented too far, or a value with ": " in it lacks quotes';
    case "UNEXPECTED_TOKEN":
      return "Found something that does not fit what is above it; look at the indentation of both";
    case "TAG_RESOLVE_FAILED":
      return "Tags (words that begin with !) are not supported; put quotes around text that begins with one";
    case "MISSING_CHAR":
      return message.includes("quote") ? "Found the end before a closing quote" : sentence(message);
    case "BAD_INDENT": {
      const bracket = /end with an? (\S)$/.exec(message)?.[1];
      return bracket === undefined
        ? sentence(message)
        : `Found this before the ${bracket} of a bracket above, which is not closed`;
    }
    default:
      return sentence(message);
  }
}

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
