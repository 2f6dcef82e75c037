/**
 * What lies on the disk in memory: files, directories and symbolic links, each with what everybody sees and
 * what of it is on stable storage.
 */

/**
 * What a power cut may leave behind of something unsynced: asked for each piece of it, whether that piece is
 * there.
 */
export type Keeps = () => boolean;

export interface Attributes {
  permissions: number;
  uid: number;
  gid: number;
  mtimeMs: number;
}

/** Bytes that grow at their end without being copied every time. */
class GrowingBytes {
  #buffer: Uint8Array<ArrayBuffer>;
  #length: number;

  constructor(bytes: Uint8Array = new Uint8Array()) {
    this.#buffer = new Uint8Array(bytes);
    this.#length = bytes.length;
  }

  /** Valid until the next change. */
  get view(): Uint8Array<ArrayBuffer> {
    return this.#buffer.subarray(0, this.#length);
  }

  apply(change: Change): void {
    if ("length" in change) {
      this.#resize(change.length);
      return;
    }
    const end = change.offset + change.bytes.length;
    if (end > this.#length) this.#resize(end);
    this.#buffer.set(change.bytes, change.offset);
  }

  #resize(length: number): void {
    if (length > this.#buffer.length) {
      const larger = new Uint8Array(Math.max(length, 2 * this.#buffer.length));
      larger.set(this.view);
      this.#buffer = larger;
    }
    if (length > this.#length) this.#buffer.fill(0, this.#length, length);
    this.#length = length;
  }
}

/** A write or a truncation. */
export type Change = { offset: number; bytes: Uint8Array } | { length: number };

/** `abandoned`: it was to be synced when that failed; as on Linux, no later sync will try again. */
type ChangeState = "unsynced" | "abandoned" | "stable";

/** The unit in which bytes reach a disk, or do not. */
const PAGE_BYTES = 4096;

function* pages(change: Change): Generator<Change> {
  if ("length" in change) return yield change;
  for (let at = 0; at < change.bytes.length;) {
    const end = at + PAGE_BYTES - (change.offset + at) % PAGE_BYTES;
    yield { offset: change.offset + at, bytes: change.bytes.subarray(at, end) };
    at = end;
  }
}

abstract class NodeBase {
  constructor(readonly ino: number, public attributes: Attributes, public stableAttributes = attributes) {}

  crashedAttributes(keeps: Keeps): Attributes {
    return this.attributes === this.stableAttributes || keeps() ? this.attributes : this.stableAttributes;
  }
}

export class FileNode extends NodeBase {
  /** The name it was given last. */
  path = "";
  #content: GrowingBytes;
  #stable: GrowingBytes;
  /**
   * Those that are not in `stable`, in order. Stable ones are among them for as long as an abandoned one is
   * before them.
   */
  #changes: { change: Change; state: ChangeState }[] = [];

  constructor(ino: number, attributes: Attributes, bytes?: Uint8Array) {
    super(ino, attributes);
    this.#content = new GrowingBytes(bytes);
    this.#stable = new GrowingBytes(bytes);
  }

  /** As everybody reads it; valid until the next change. */
  get content(): Uint8Array<ArrayBuffer> {
    return this.#content.view;
  }

  change(change: Change, nowMs: number): void {
    this.#content.apply(change);
    this.#changes.push({ change, state: "unsynced" });
    this.attributes = { ...this.attributes, mtimeMs: nowMs };
  }

  synced(withAttributes: boolean): void {
    for (const one of this.#changes) if (one.state === "unsynced") one.state = "stable";
    while (this.#changes[0]?.state === "stable") this.#stable.apply(this.#changes.shift()!.change);
    if (withAttributes) this.stableAttributes = this.attributes;
  }

  syncFailed(): void {
    for (const one of this.#changes) if (one.state === "unsynced") one.state = "abandoned";
  }

  /** After a power cut. */
  crashed(keeps: Keeps): FileNode {
    const found = new GrowingBytes(this.#stable.view);
    for (const { change, state } of this.#changes) {
      for (const page of pages(change)) if (state === "stable" || keeps()) found.apply(page);
    }
    return this.#withPath(new FileNode(this.ino, this.crashedAttributes(keeps), found.view));
  }

  /** The same, for another process. */
  copy(): FileNode {
    const copy = new FileNode(this.ino, this.attributes);
    copy.stableAttributes = this.stableAttributes;
    copy.#content = new GrowingBytes(this.content);
    copy.#stable = new GrowingBytes(this.#stable.view);
    copy.#changes = this.#changes.map((one) => ({ ...one }));
    return this.#withPath(copy);
  }

  #withPath(copy: FileNode): FileNode {
    copy.path = this.path;
    return copy;
  }
}

export class LinkNode extends NodeBase {
  constructor(ino: number, readonly target: string, attributes: Attributes, stableAttributes?: Attributes) {
    super(ino, attributes, stableAttributes);
  }
}

export class DirectoryNode extends NodeBase {
  readonly entries = new Map<string, Node>();
  readonly stableEntries = new Map<string, Node>();
}

export type Node = FileNode | DirectoryNode | LinkNode;

/** `name` in `directory` leads to `to` now, and led to `from` before. Undefined: to nothing. */
export interface NameEffect {
  directory: DirectoryNode;
  name: string;
  from: Node | undefined;
  to: Node | undefined;
}

/** What one call did to names: a power cut leaves all of it or nothing. A rename has two effects. */
export type NameChange = NameEffect[];

/** A removal is of the node that had the name, and not of one that has it without the changes in between. */
export function applyName(entries: Map<string, Node>, { name, from, to }: NameEffect): void {
  if (to !== undefined) entries.set(name, to);
  else if (entries.get(name) === from) entries.delete(name);
}
