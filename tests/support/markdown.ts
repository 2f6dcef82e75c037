/**
 * What a page of the documentation refers to, and what can be referred to in it. Pages are Markdown as it is
 * written here: fenced blocks, code spans, inline links, headings with `#`, anchors as `<a id="…">`.
 */

export interface Fence {
  /** What stands after the opening marks, such as `sh`. */
  readonly language: string;
  readonly lines: readonly string[];
}

export interface Page {
  /** Names that `#…` can lead to. */
  readonly anchors: ReadonlySet<string>;
  /** Where inline links lead, as written. */
  readonly links: readonly string[];
  /** Texts of code spans. */
  readonly codeSpans: readonly string[];
  readonly fences: readonly Fence[];
  /** Texts of headings. */
  readonly headings: readonly string[];
}

/** @throws when a fenced block is not closed */
export function parsePage(text: string): Page {
  const { prose, fences } = splitFences(text);
  const headings = [...prose.matchAll(/^#{1,6} +(.*)$/gm)].map(([, heading]) => heading);
  const anchors = new Set(slugsOf(headings));
  for (const [, id] of prose.matchAll(/<a id="([^"]+)">/g)) anchors.add(id);
  const codeSpans = [...prose.matchAll(/`([^`]+)`/g)].map(([, code]) => code);
  const links = [...prose.replace(/`[^`]+`/g, "`").matchAll(/\]\(([^)\s]*)\)/g)].map(([, target]) => target);
  return { anchors, links, codeSpans, fences, headings };
}

function splitFences(text: string): { prose: string; fences: Fence[] } {
  const fences: Fence[] = [];
  const prose: string[] = [];
  let open: { language: string; lines: string[] } | undefined;
  for (const line of text.split("\n")) {
    const mark = /^ *```(\S*)/.exec(line);
    if (mark === null) {
      (open?.lines ?? prose).push(line);
    } else if (open === undefined) {
      open = { language: mark[1], lines: [] };
    } else {
      fences.push(open);
      open = undefined;
    }
  }
  if (open !== undefined) throw new Error(`A fenced block is not closed: ${open.lines[0]}`);
  return { prose: prose.join("\n"), fences };
}

/**
 * As sites that show Markdown name headings: small letters, no punctuation, hyphens for blanks, and a number
 * when the name is taken.
 */
function* slugsOf(headings: readonly string[]): Generator<string> {
  const seen = new Map<string, number>();
  for (const heading of headings) {
    const slug = heading.toLowerCase().replace(/[^\p{L}\p{N}_ -]/gu, "").trim().replaceAll(" ", "-");
    const count = seen.get(slug) ?? 0;
    seen.set(slug, count + 1);
    yield count === 0 ? slug : `${slug}-${count}`;
  }
}

/**
 * Cells of the table that begins with this header row, without its first two lines.
 * @throws when there is none
 */
export function readTable(text: string, header: string): string[][] {
  const lines = text.split("\n");
  const start = lines.indexOf(header);
  if (start < 0) throw new Error(`There is no table that begins with ${header}`);
  const rows: string[][] = [];
  for (const line of lines.slice(start + 2)) {
    if (!line.startsWith("|")) break;
    rows.push(line.split("|").slice(1, -1).map((cell) => cell.trim()));
  }
  return rows;
}
