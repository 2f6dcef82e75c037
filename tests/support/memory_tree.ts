/**
 * The names of the disk in memory: how paths lead to files, which changes of names are on stable storage, and
 * what a power cut leaves of the others.
 */
import { FilesystemLoop, NotADirectory, NotFound } from "../../src/platform/system_errors.ts";
import {
  applyName,
  type Attributes,
  DirectoryNode,
  FileNode,
  type Keeps,
  LinkNode,
  type NameChange,
  type NameEffect,
  type Node,
} from "./memory_nodes.ts";

/** As Linux has it. */
const LINKS_MAX = 40;

/** Where a path leads. */
export interface Place {
  directory: DirectoryNode;
  name: string;
  /** Undefined when there is nothing of that name; the directory exists. */
  node: Node | undefined;
  /** Without links, but for one that it may end in. */
  path: string;
}

export class MemoryTree {
  readonly root: DirectoryNode;
  /** Not on stable storage yet, in order. */
  #changes: NameChange[] = [];

  constructor(root: DirectoryNode) {
    this.root = root;
  }

  /** Relative paths begin at the root. `follow`: a link that the path ends in is followed. */
  find(path: string, { follow }: { follow: boolean }): Place {
    const isDirectoryMeant = path.endsWith("/");
    const trail: { name: string; node: DirectoryNode }[] = [{ name: "", node: this.root }];
    let rest = partsOf(path);
    for (let links = 0; rest.length > 0;) {
      const [name, ...others] = rest;
      rest = others;
      const directory = trail[trail.length - 1].node;
      if (name === "..") {
        if (trail.length > 1) trail.pop();
        continue;
      }
      const node = directory.entries.get(name);
      if (node instanceof LinkNode && (rest.length > 0 || follow || isDirectoryMeant)) {
        if (++links > LINKS_MAX) throw new FilesystemLoop(`Too many links in ${path}`);
        if (node.target.startsWith("/")) trail.length = 1;
        rest = [...partsOf(node.target), ...rest];
      } else if (node instanceof DirectoryNode) {
        trail.push({ name, node });
      } else if (rest.length === 0) {
        if (isDirectoryMeant && node !== undefined) throw new NotADirectory(path);
        return { directory, name, node, path: `${pathOf(trail)}/${name}` };
      } else {
        throw node === undefined ? new NotFound(path) : new NotADirectory(path);
      }
    }
    const { name, node } = trail[trail.length - 1];
    return { directory: trail.at(-2)?.node ?? this.root, name, node, path: pathOf(trail) || "/" };
  }

  /** Done at once for everybody who looks, and on stable storage when the directories are synced. */
  change(...effects: Omit<NameEffect, "from">[]): void {
    const change: NameChange = [];
    for (const { directory, name, to } of effects) {
      const effect = { directory, name, from: directory.entries.get(name), to };
      applyName(directory.entries, effect);
      change.push(effect);
    }
    this.#changes.push(change);
  }

  /** As if the name had led there always. */
  put(directory: DirectoryNode, name: string, node: Node): void {
    this.#changes = this.#changes.filter((change) =>
      change.every((effect) => effect.directory !== directory || effect.name !== name)
    );
    directory.entries.set(name, node);
    directory.stableEntries.set(name, node);
  }

  /**
   * What only this directory is concerned with is stable. Of a rename between two of them the new name is
   * once the new directory was synced, and the old one is gone only when the old directory was synced as
   * well; it never is before the new name is there.
   */
  syncDirectory(directory: DirectoryNode): void {
    const remaining: NameChange[] = [];
    for (const change of this.#changes) {
      const isArrived = change.every(({ to, directory: its }) => to === undefined || its === directory);
      const isDone = (effect: NameEffect) => effect.directory === directory && isArrived;
      for (const effect of change) if (isDone(effect)) applyName(directory.stableEntries, effect);
      const left = change.filter((effect) => !isDone(effect));
      if (left.length > 0) remaining.push(left);
    }
    this.#changes = remaining;
    directory.stableAttributes = directory.attributes;
  }

  /** The tree after a power cut. */
  crashed(keeps: Keeps): MemoryTree {
    const found = new Map<DirectoryNode, Map<string, Node>>();
    const entriesOf = (directory: DirectoryNode) => {
      const entries = found.get(directory) ?? new Map(directory.stableEntries);
      found.set(directory, entries);
      return entries;
    };
    for (const change of this.#changes) {
      if (keeps()) { for (const effect of change) applyName(entriesOf(effect.directory), effect); }
    }
    const copier = new Copier((file) => file.crashed(keeps), (node) => {
      const attributes = node.crashedAttributes(keeps);
      return [attributes, attributes];
    });
    const root = copier.copyDirectory(this.root, (directory) => [entriesOf(directory), entriesOf(directory)]);
    return new MemoryTree(root);
  }

  /** The tree as another process sees it; nothing is on stable storage that was not. */
  copy(): MemoryTree {
    const copier = new Copier(
      (file) => file.copy(),
      ({ attributes, stableAttributes }) => [attributes, stableAttributes],
    );
    const copyOf = (directory: DirectoryNode) =>
      copier.copyDirectory(directory, ({ entries, stableEntries }) => [entries, stableEntries]);
    const tree = new MemoryTree(copyOf(this.root));
    tree.#changes = this.#changes.map((change) =>
      change.map(({ directory, name, from, to }) => ({
        name,
        directory: copyOf(directory),
        from: from && copier.copy(from, copyOf),
        to: to && copier.copy(to, copyOf),
      }))
    );
    return tree;
  }

  /** Everything that is no directory, once for each of its names. */
  *files(directory = this.root, path = ""): Generator<{ path: string; node: FileNode | LinkNode }> {
    for (const [name, node] of directory.entries) {
      if (node instanceof DirectoryNode) yield* this.files(node, `${path}/${name}`);
      else yield { path: `${path}/${name}`, node };
    }
  }
}

/** Copies each node once, however many names it has. */
class Copier {
  readonly #copies = new Map<Node, Node>();

  constructor(
    readonly copyFile: (file: FileNode) => FileNode,
    /** Those that everybody sees, and those that are on stable storage. */
    readonly attributesOf: (node: Node) => [Attributes, Attributes],
  ) {}

  copy(node: Node, copyDirectory: (directory: DirectoryNode) => DirectoryNode): Node {
    if (node instanceof DirectoryNode) return copyDirectory(node);
    let copy = this.#copies.get(node);
    if (copy === undefined) {
      copy = node instanceof FileNode
        ? this.copyFile(node)
        : new LinkNode(node.ino, node.target, ...this.attributesOf(node));
      this.#copies.set(node, copy);
    }
    return copy;
  }

  /** @param entriesOf the entries of a directory that its copy is to have, and those that are stable in it */
  copyDirectory(
    directory: DirectoryNode,
    entriesOf: (directory: DirectoryNode) => [Map<string, Node>, Map<string, Node>],
  ): DirectoryNode {
    const known = this.#copies.get(directory);
    if (known instanceof DirectoryNode) return known;
    const copy = new DirectoryNode(directory.ino, ...this.attributesOf(directory));
    this.#copies.set(directory, copy);
    const [entries, stableEntries] = entriesOf(directory);
    const below = (node: Node) => this.copy(node, (one) => this.copyDirectory(one, entriesOf));
    for (const [name, node] of entries) copy.entries.set(name, below(node));
    for (const [name, node] of stableEntries) copy.stableEntries.set(name, below(node));
    return copy;
  }
}

function partsOf(path: string): string[] {
  return path.split("/").filter((part) => part !== "" && part !== ".");
}

function pathOf(trail: readonly { name: string }[]): string {
  return trail.map(({ name }) => name).join("/");
}
