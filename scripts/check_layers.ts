/**
 * Fails when an import points up, sideways or around in a circle, when anything but platform touches the
 * outside world, when a file that says it is pure is not, and when a folder is crowded: `scripts/deno task
 * layers`. The layout lives as long as it is checked.
 */

/** For each folder below src/, the folders that it may import from, besides itself. */
export const ALLOWED: Record<string, readonly string[]> = {
  platform: [],
  events: ["platform"],
  wal: ["platform"],
  config: ["platform"],
  keys: ["platform"],
  client: ["platform", "events", "keys"],
  delivery: ["platform", "client", "events"],
  archive: ["platform", "wal"],
  migrate: ["platform", "wal"],
  job: ["platform", "archive", "delivery", "client", "wal", "events"],
  exec: ["platform", "job", "archive", "delivery", "client", "wal", "events"],
  survey: ["platform", "archive", "wal", "events"],
  replay: ["platform", "job", "survey", "archive", "delivery", "client", "wal", "events"],
  server: ["platform", "events", "keys"],
  metrics: ["platform", "job", "survey", "server", "archive", "delivery", "wal", "config"],
  doctor: ["platform", "survey", "archive", "client", "config", "keys", "wal"],
  setup: ["platform", "config", "client", "job", "exec", "server"],
  screens: [
    "platform",
    "events",
    "wal",
    "config",
    "keys",
    "client",
    "migrate",
    "job",
    "survey",
    "replay",
    "server",
    "metrics",
    "doctor",
  ],
  cli: [
    "platform",
    "events",
    "wal",
    "config",
    "keys",
    "client",
    "delivery",
    "archive",
    "migrate",
    "job",
    "exec",
    "survey",
    "replay",
    "server",
    "metrics",
    "doctor",
    "setup",
    "screens",
  ],
};

/** A way out of the program: each of them belongs to platform, behind a seam. */
const OUTSIDE =
  /\bDeno\.|"node:(?:fs|child_process|net|os|process|timers|worker_threads)\b|\bcrypto\.(?:random|getRandom)|\b(?:setTimeout|setInterval)\(|\bDate\.now\(|\bperformance\.|(?<![.\w])fetch\(|\bMath\.random\b/;

/** A folder with more files, tests left out, has a room in it that nobody has named yet. */
const FILES_IN_FOLDER_MAX = 40;
/** The command line is words and screens; what is more than that has a room of its own. */
const CLI_LINES_MAX = 7500;

/** Path from the project's root to source text. */
export type Sources = ReadonlyMap<string, string>;

/** One sentence for each rule that is broken; empty when the layout holds. */
export function findViolations(sources: Sources): string[] {
  const graph = new Map([...sources].map(([path, text]) => [path, importsOf(path, text)]));
  return [
    ...forbiddenArrows(graph),
    ...cycles(graph),
    ...touchesOutside(sources),
    ...impurities(sources),
    ...crowdedFolders(sources),
    ...unusedExports(sources),
  ];
}

function* forbiddenArrows(graph: Map<string, string[]>): Generator<string> {
  for (const [from, targets] of graph) {
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

/** The room below src/ that a file lies in. */
export function layerOf(path: string): string | undefined {
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

/** Only platform touches the outside world; everything above gets it as an argument. */
function* touchesOutside(sources: Sources): Generator<string> {
  for (const [path, text] of sources) {
    if (!isCode(path) || layerOf(path) === "platform") continue;
    const found = OUTSIDE.exec(withoutComments(text));
    if (found !== null) {
      yield `${path}: touches the outside world by itself (${found[0].trim()}); take it from platform`;
    }
  }
}

/**
 * A file whose header says that it is pure is a function of its arguments, and so is everything that it runs.
 */
function* impurities(sources: Sources): Generator<string> {
  for (const path of sources.keys()) {
    if (!isCode(path) || !saysPure(sources.get(path)!)) continue;
    const way = wayOutside(sources, path, new Set());
    if (way !== undefined) {
      yield `${path}: says that it is pure, but touches the outside world: ${way.join(" -> ")}`;
    }
  }
}

function saysPure(text: string): boolean {
  const header = /^\/\*\*([^]*?)\*\//.exec(text)?.[1] ?? "";
  return /\bPure\b(?! but)|\ba pure\b/.test(header);
}

/** The imports that lead from a file to one that touches the outside world; undefined when none do. */
function wayOutside(sources: Sources, path: string, seen: Set<string>): string[] | undefined {
  if (seen.has(path)) return undefined;
  seen.add(path);
  const text = sources.get(path) ?? "";
  // Classes to ask for are no way out.
  if (OUTSIDE.test(withoutComments(text).replace(/\bDeno\.errors\b/g, ""))) return [path];
  for (const target of importsOf(path, withoutTypeImports(text))) {
    const way = wayOutside(sources, target, seen);
    if (way !== undefined) return [path, ...way];
  }
  return undefined;
}

/** Types are gone when the program runs. */
function withoutTypeImports(text: string): string {
  return text.replace(/^(?:import|export) type [^;]*;$/gm, "");
}

function* crowdedFolders(sources: Sources): Generator<string> {
  const folders = new Map<string, number>();
  let cliLines = 0;
  for (const [path, text] of sources) {
    if (!isCode(path)) continue;
    const folder = path.slice(0, path.lastIndexOf("/"));
    folders.set(folder, (folders.get(folder) ?? 0) + 1);
    if (layerOf(path) === "cli") cliLines += text.split("\n").length - 1;
  }
  for (const [folder, count] of folders) {
    if (count > FILES_IN_FOLDER_MAX) {
      yield `${folder}: has ${count} files, and at most ${FILES_IN_FOLDER_MAX} are allowed`;
    }
  }
  if (cliLines > CLI_LINES_MAX) {
    yield `src/cli: has ${cliLines} lines, and at most ${CLI_LINES_MAX} are allowed`;
  }
}

/**
 * What nobody else names is no export, or is not needed at all. Types are left out: they belong to a
 * function's signature.
 */
function* unusedExports(sources: Sources): Generator<string> {
  const files = [...sources].map(([path, text]) => ({ path, words: new Set(text.match(/[\w$]+/g)) }));
  for (const [path, text] of sources) {
    if (!isCode(path)) continue;
    for (const [, name] of text.matchAll(/^export (?:async )?(?:function\*?|class|const|let) ([\w$]+)/gm)) {
      if (files.some((file) => file.path !== path && file.words.has(name))) continue;
      yield `${path}: exports ${name}, which nobody else uses`;
    }
  }
}

/**
 * The program itself: tests may use whatever helps to prove a file right, and what is generated is not ours.
 */
function isCode(path: string): boolean {
  return path.startsWith("src/") && !path.endsWith("_test.ts") && !path.includes("/gen/");
}

/** The project's own files that a file imports, types included: an arrow is an arrow. */
export function importsOf(path: string, text: string): string[] {
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
