/**
 * The documentation of the project, and what in it leads nowhere.
 */
import { type Page, parsePage } from "./markdown.ts";

const ROOT = new URL("../../", import.meta.url).pathname;

/** Path from the project's root to text. */
export type Documents = ReadonlyMap<string, string>;

export function readDocuments(): Documents {
  const paths = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"];
  for (const { name } of Deno.readDirSync(`${ROOT}docs`)) {
    if (name.endsWith(".md")) paths.push(`docs/${name}`);
  }
  return new Map(paths.sort().map((path) => [path, readDocument(path)]));
}

export function readDocument(path: string): string {
  return Deno.readTextFileSync(ROOT + path);
}

export function existsInProject(path: string): boolean {
  try {
    Deno.lstatSync(ROOT + path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return false;
    throw error;
  }
}

/** Files that may name a page: what is compiled, run, tested or shipped. */
export function readSources(): Documents {
  const sources = new Map<string, string>();
  const walk = (directory: string) => {
    for (const { name, isDirectory } of Deno.readDirSync(ROOT + directory)) {
      const path = `${directory}/${name}`;
      if (isDirectory) walk(path);
      else if (/\.(ts|sh|yml|json|service|sysusers)$/.test(name)) sources.set(path, readDocument(path));
    }
  };
  for (const directory of ["src", "tests", "scripts", "deploy"]) walk(directory);
  for (const path of ["main.ts", "deno.json"]) sources.set(path, readDocument(path));
  return sources;
}

/** A history may name what is gone by now; links in it are checked all the same. */
const HISTORY = "CHANGELOG.md";
const PROJECT_PATH = /^(?:src|tests|scripts|docs|deploy)\/[\w./-]*$/;

/** One sentence for each link, anchor and path in the pages that leads nowhere. */
export function findDeadReferences(documents: Documents, exists: (path: string) => boolean): string[] {
  const pages = new Map([...documents].map(([path, text]) => [path, parsePage(text)]));
  const found: string[] = [];
  for (const [path, page] of pages) {
    for (const link of page.links) {
      if (/^[a-z]+:/.test(link)) continue;
      const [target, anchor] = splitAnchor(link);
      const to = target === "" ? path : new URL(target, `file:///${path}`).pathname.slice(1);
      if (!exists(to)) found.push(`${path}: ${link} leads to nothing`);
      else if (anchor !== undefined) found.push(...deadAnchor(pages.get(to), anchor, `${path}: ${link}`));
    }
    if (path === HISTORY) continue;
    for (const code of page.codeSpans) {
      if (PROJECT_PATH.test(code) && !exists(code)) found.push(`${path}: there is no ${code}`);
    }
  }
  return found;
}

/** The same for pages that other files name, such as `docs/monitoring.md#alerts`. */
export function findDeadMentions(sources: Documents, documents: Documents): string[] {
  const found: string[] = [];
  for (const [path, text] of sources) {
    for (
      const [mention, to, anchor] of text.matchAll(/\b((?:docs\/\w+|README|CONTRIBUTING)\.md)(?:#([\w-]+))?/g)
    ) {
      const page = documents.get(to);
      if (page === undefined) found.push(`${path}: ${mention} is no page`);
      else if (anchor !== undefined) {
        found.push(...deadAnchor(parsePage(page), anchor, `${path}: ${mention}`));
      }
    }
  }
  return found;
}

function splitAnchor(link: string): [string, string | undefined] {
  const at = link.indexOf("#");
  return at < 0 ? [link, undefined] : [link.slice(0, at), link.slice(at + 1)];
}

function deadAnchor(page: Page | undefined, anchor: string, what: string): string[] {
  if (page === undefined) return [`${what} names a place in something that is no page`];
  return page.anchors.has(anchor) ? [] : [`${what} leads to no heading and no anchor`];
}
