/**
 * Fails when an import points up, sideways or around in a circle, or when a pure file touches the
 * runtime: `scripts/deno task layers`. The layout lives as long as it is checked.
 */

/** For each folder below src/, the folders that it may import from, besides itself. */
export const ALLOWED: Record<string, readonly string[]> = {
  platform: [],
  events: ["platform"],
  wal: ["platform"],
  config: ["platform"],
  client: ["platform", "events"],
  delivery: ["platform", "client", "events"],
  archive: ["platform", "wal"],
  migrate: ["platform", "wal"],
  job: ["platform", "archive", "delivery", "client", "wal", "events"],
  survey: ["platform", "archive", "wal", "events"],
  replay: ["platform", "job", "survey", "archive", "delivery", "client", "wal", "events"],
  server: ["platform", "events"],
  metrics: ["platform", "job", "survey", "server", "archive", "delivery", "wal", "config"],
  doctor: ["platform", "survey", "archive", "client", "config", "wal", "events"],
  cli: [
    "platform",
    "events",
    "wal",
    "config",
    "client",
    "delivery",
    "archive",
    "migrate",
    "job",
    "survey",
    "replay",
    "server",
    "metrics",
    "doctor",
  ],
};

/** Files whose whole behaviour is a function of their arguments. */
export const PURE = [
  "src/wal/format.ts",
  "src/wal/crc64.ts",
  "src/wal/scanner.ts",
  "src/wal/ledger.ts",
  "src/wal/recovery.ts",
  "src/wal/true_length.ts",
  "src/wal/file_names.ts",
  "src/wal/repair_layout.ts",
  "src/wal/repair_proof.ts",
  "src/archive/frames.ts",
  "src/client/backoff.ts",
  "src/job/batcher.ts",
];

/**
 * Folders that reach files, time, chance, the network and processes only as arguments. `platform/` has the real ones, `main.ts` and one
 * file of the command line put them together.
 */
const SEALED: readonly string[] = [
  "cli",
  "client",
  "config",
  "delivery",
  "doctor",
  "events",
  "job",
  "replay",
  "survey",
];
const COMPOSES = "src/cli/terminal/system_context.ts";

/** Ways to the outside past the seam. */
const OUTSIDE = /\bDeno\.[a-z]\w*|"node:(?:fs|child_process|net|os)[/"]|\bcrypto\.random/;
const REAL_OUTSIDE = /^src\/platform\/system_(?:files|host|processes)\.ts$/;

/** Path from the project's root to source text. */
export type Sources = ReadonlyMap<string, string>;

/** One sentence for each rule that is broken; empty when the layout holds. */
export function findViolations(sources: Sources): string[] {
  const graph = new Map([...sources].map(([path, text]) => [path, importsOf(path, text)]));
  return [...forbiddenArrows(graph), ...cycles(graph), ...impurities(sources), ...leaks(sources, graph)];
}

function* forbiddenArrows(graph: Map<string, string[]>): Generator<string> {
  for (const [from, targets] of graph) {
    // A test may use whatever helps to prove its file right.
    if (from.endsWith("_test.ts") || !from.startsWith("src/")) continue;
    const layer = layerOf(from);
    if (layer === undefined || !(layer in ALLOWED)) {
      yield `${from}: lies in no known layer; add its folder to scripts/check_layers.ts`;
      continue;
    }
    for (const to of targets) {
      const target = layerOf(to);
      if (target === layer || (target !== undefined && ALLOWED[layer].includes(target))) continue;
      yield `${from}: ${layer} must not import ${to}`;
    }
  }
}

function layerOf(path: string): string | undefined {
  return /^src\/([^/]+)\//.exec(path)?.[1];
}

function* cycles(graph: Map<string, string[]>): Generator<string> {
  const done = new Set<string>();
  for (const start of graph.keys()) {
    const cycle = findCycle(graph, start, [], done);
    if (cycle !== undefined) yield `cycle: ${cycle.join(" -> ")}`;
  }
}

function findCycle(
  graph: Map<string, string[]>,
  file: string,
  trail: string[],
  done: Set<string>,
): string[] | undefined {
  const seenAt = trail.indexOf(file);
  if (seenAt >= 0) {
    // Marked, or the same circle would be told again from each of its files.
    for (const member of trail) done.add(member);
    return [...trail.slice(seenAt), file];
  }
  if (done.has(file)) return undefined;
  for (const target of graph.get(file) ?? []) {
    const cycle = findCycle(graph, target, [...trail, file], done);
    if (cycle !== undefined) return cycle;
  }
  done.add(file);
  return undefined;
}

function* impurities(sources: Sources): Generator<string> {
  for (const path of PURE) {
    const text = sources.get(path);
    if (text === undefined) {
      yield `${path}: is listed as pure in scripts/check_layers.ts but does not exist`;
    } else if (/\bDeno\./.test(withoutComments(text))) {
      yield `${path}: is listed as pure but touches Deno.*`;
    }
  }
}

function* leaks(sources: Sources, graph: Map<string, string[]>): Generator<string> {
  for (const [path, text] of sources) {
    const layer = layerOf(path);
    if (layer === undefined || !SEALED.includes(layer) || path.endsWith("_test.ts")) continue;
    const found = OUTSIDE.exec(withoutComments(text))?.[0];
    if (found !== undefined) yield `${path}: reaches the outside past the seam: ${found}`;
    const real = graph.get(path)!.find((target) => REAL_OUTSIDE.test(target));
    if (real !== undefined && path !== COMPOSES) {
      yield `${path}: must get the outside as an argument, not from ${real}`;
    }
  }
}

/** The project's own files that a file imports, types included: an arrow is an arrow. */
function importsOf(path: string, text: string): string[] {
  const specifiers = withoutComments(text).matchAll(
    /(?:\bfrom|\bimport|\bimport\s*\()\s*"(\.{1,2}\/[^"]+\.ts)"/g,
  );
  return [...specifiers].map((match) => new URL(match[1], `file:///${path}`).pathname.slice(1));
}

function withoutComments(text: string): string {
  return text.replace(/\/\*[^]*?\*\//g, "").replace(/(^|\s)\/\/.*$/gm, "");
}

async function readSources(root: string): Promise<Sources> {
  const sources = new Map<string, string>();
  const walk = async (directory: string): Promise<void> => {
    for await (const entry of Deno.readDir(root + directory)) {
      const path = `${directory}${entry.name}`;
      if (entry.isDirectory) await walk(`${path}/`);
      else if (path.endsWith(".ts")) sources.set(path, await Deno.readTextFile(root + path));
    }
  };
  for (const directory of ["src/", "tests/", "scripts/"]) await walk(directory);
  sources.set("main.ts", await Deno.readTextFile(`${root}main.ts`));
  return sources;
}

if (import.meta.main) {
  const violations = findViolations(await readSources(new URL("..", import.meta.url).pathname));
  for (const violation of violations) console.error(violation);
  if (violations.length > 0) {
    console.error(`${violations.length} arrows of the layout are broken; see "Layout" in docs/design.md.`);
    Deno.exit(1);
  }
}
