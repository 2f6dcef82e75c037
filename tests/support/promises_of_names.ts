/**
 * The promises of `Files` that are about names, links and what the system says of them; see
 * `files_contract.ts`.
 */
import assert from "node:assert/strict";
import {
  AlreadyExists,
  FilesystemLoop,
  IsADirectory,
  NotADirectory,
  NotFound,
} from "../../src/platform/system_errors.ts";
import type { FilesPromise } from "./files_promise.ts";

const isA = (kind: new (...args: never[]) => Error) => (error: unknown) => error instanceof kind;

export const NAME_PROMISES: Record<string, FilesPromise> = {
  async "link never replaces a file"({ files, directory }) {
    await files.writeText(`${directory}/a`, "a", "new");
    await files.writeText(`${directory}/b`, "b", "new");
    await files.symlink("nowhere", `${directory}/dangling`);
    assert.equal(await files.link(`${directory}/a`, `${directory}/b`), false);
    assert.equal(await files.link(`${directory}/a`, `${directory}/dangling`), false);
    assert.equal(await files.link(`${directory}/a`, `${directory}/c`), true);
    assert.equal(files.lstatNow(`${directory}/a`).ino, files.lstatNow(`${directory}/c`).ino);
    await files.remove(`${directory}/a`);
    await files.syncDirectory(directory);
    assert.deepEqual(
      [await files.readText(`${directory}/b`), await files.readText(`${directory}/c`)],
      ["b", "a"],
    );
    await assert.rejects(files.link(`${directory}/a`, `${directory}/d`), isA(NotFound));
    await assert.rejects(files.link(`${directory}/b`, `${directory}/absent/d`), isA(NotFound));
    await assert.rejects(files.link(directory, `${directory}/d`), Error);
  },

  async "rename takes the place of a file, a link or an empty directory"({ files, directory }) {
    const write = (name: string) => files.writeText(`${directory}/${name}`, name, "new");
    for (const name of ["a", "b", "c", "d"]) await write(name);
    await files.rename(`${directory}/a`, `${directory}/b`);
    assert.equal(await files.readText(`${directory}/b`), "a");
    await assert.rejects(files.rename(`${directory}/a`, `${directory}/c`), isA(NotFound));
    await files.symlink("c", `${directory}/link`);
    await files.rename(`${directory}/d`, `${directory}/link`);
    assert.deepEqual(
      [await files.readText(`${directory}/link`), await files.readText(`${directory}/c`)],
      ["d", "c"],
    );
    await files.makeDirectory(`${directory}/full`);
    await write("full/a");
    await files.makeDirectory(`${directory}/empty`);
    await files.rename(`${directory}/full`, `${directory}/empty`);
    assert.equal(await files.readText(`${directory}/empty/a`), "full/a");
    await files.makeDirectory(`${directory}/other`);
    await assert.rejects(files.rename(`${directory}/other`, `${directory}/empty`), /not empty/);
    await assert.rejects(files.rename(`${directory}/other`, `${directory}/c`), isA(NotADirectory));
    await assert.rejects(files.rename(`${directory}/c`, `${directory}/other`), isA(IsADirectory));
    await assert.rejects(files.rename(`${directory}/empty`, `${directory}/empty/below`), Error);
    await files.rename(`${directory}/c`, `${directory}/other/c`);
    assert.equal(await files.readText(`${directory}/other/c`), "c");
  },

  async "rename of one name of a file to another of the same file changes nothing"({ files, directory }) {
    await files.writeText(`${directory}/a`, "a", "new");
    await files.link(`${directory}/a`, `${directory}/b`);
    await files.rename(`${directory}/a`, `${directory}/b`);
    assert.deepEqual((await files.list(directory)).map(({ name }) => name).sort(), ["a", "b"]);
  },

  async "files, links and empty directories are removed, and what is missing is told"({ files, directory }) {
    await files.writeText(`${directory}/a`, "a", "new");
    await files.symlink("a", `${directory}/link`);
    await files.makeDirectory(`${directory}/below/deeper`);
    await files.remove(`${directory}/link`);
    assert.equal(await files.readText(`${directory}/a`), "a");
    files.removeNow(`${directory}/a`);
    await assert.rejects(files.remove(`${directory}/a`), isA(NotFound));
    assert.throws(() => files.removeNow(`${directory}/a`), isA(NotFound));
    await assert.rejects(files.remove(`${directory}/below`), /not empty/);
    await files.remove(`${directory}/below/deeper`);
    await files.remove(`${directory}/below`);
    assert.deepEqual(await files.list(directory), []);
  },

  async "a tree is removed with all that is in it, and not what links in it lead to"({ files, directory }) {
    await files.makeDirectory(`${directory}/tree/below`);
    await files.writeText(`${directory}/kept`, "kept", "new");
    await files.symlink(`${directory}/kept`, `${directory}/tree/below/link`);
    await files.symlink(directory, `${directory}/tree/up`);
    files.removeTreeNow(`${directory}/tree`);
    assert.deepEqual((await files.list(directory)).map(({ name }) => name), ["kept"]);
    assert.throws(() => files.removeTreeNow(`${directory}/tree`), isA(NotFound));
  },

  async "directories are made for their owner, down from the first that is there"({ files, directory }) {
    await files.makeDirectory(`${directory}/a/b/c/`);
    await files.makeDirectory(`${directory}/a/b`);
    for (const path of ["a", "a/b", "a/b/c"]) {
      const { isDirectory, mode } = files.lstatNow(`${directory}/${path}`);
      assert.deepEqual([isDirectory, mode! & 0o777], [true, 0o700]);
    }
    await files.setPermissions(`${directory}/a`, 0o750);
    await files.makeDirectory(`${directory}/a`);
    assert.equal(files.lstatNow(`${directory}/a`).mode! & 0o777, 0o750, "an existing one is left as it is");
    await files.symlink(`${directory}/a`, `${directory}/link`);
    await files.makeDirectory(`${directory}/link/d`);
    assert.ok((await files.stat(`${directory}/a/d`)).isDirectory);
    await files.writeText(`${directory}/file`, "", "new");
    await files.symlink("nowhere", `${directory}/dangling`);
    await assert.rejects(files.makeDirectory(`${directory}/file`), isA(NotADirectory));
    await assert.rejects(files.makeDirectory(`${directory}/file/below`), isA(NotADirectory));
    await assert.rejects(files.makeDirectory(`${directory}/dangling`), isA(AlreadyExists));
    await files.syncDirectory(`${directory}/link`);
    await assert.rejects(files.syncDirectory(`${directory}/absent`), isA(NotFound));
  },

  async "a directory's list has everything in it once, links as links"({ files, directory }) {
    await files.writeText(`${directory}/file`, "", "new");
    await files.link(`${directory}/file`, `${directory}/again`);
    await files.makeDirectory(`${directory}/below/deeper`);
    await files.symlink("below", `${directory}/link`);
    const seen = (await files.list(directory)).sort((one, other) => one.name < other.name ? -1 : 1);
    assert.deepEqual(
      seen.map(({ name, isFile, isDirectory, isSymlink }) => [
        name,
        isFile,
        isDirectory,
        isSymlink,
      ]),
      [
        ["again", true, false, false],
        ["below", false, true, false],
        ["file", true, false, false],
        ["link", false, false, true],
      ],
    );
    assert.deepEqual((await files.list(`${directory}/link`)).map(({ name }) => name), ["deeper"]);
    await assert.rejects(files.list(`${directory}/absent`), isA(NotFound));
    await assert.rejects(files.list(`${directory}/file`), isA(NotADirectory));
  },

  async "stat follows links and lstat does not"({ files, directory }) {
    await files.writeText(`${directory}/a`, "abc", "new");
    await files.symlink("a", `${directory}/link`);
    const [stat, lstat] = [await files.stat(`${directory}/link`), await files.lstat(`${directory}/link`)];
    assert.deepEqual([stat.isFile, stat.isSymlink, stat.size], [true, false, 3]);
    assert.deepEqual([lstat.isFile, lstat.isSymlink, lstat.size], [false, true, 1]);
    assert.deepEqual(files.lstatNow(`${directory}/link`).ino, lstat.ino);
    assert.equal(stat.ino, (await files.lstat(`${directory}/a`)).ino);
    assert.equal(stat.dev, (await files.stat(directory)).dev);
    assert.equal(stat.uid, (await files.stat(directory)).uid);
    for (const path of ["absent", "absent/a"]) {
      await assert.rejects(files.stat(`${directory}/${path}`), isA(NotFound));
      await assert.rejects(files.lstat(`${directory}/${path}`), isA(NotFound));
      assert.throws(() => files.lstatNow(`${directory}/${path}`), isA(NotFound));
    }
    await assert.rejects(files.stat(`${directory}/a/b`), isA(NotADirectory));
    await files.symlink("nowhere", `${directory}/dangling`);
    await assert.rejects(files.stat(`${directory}/dangling`), isA(NotFound));
    assert.ok((await files.lstat(`${directory}/dangling`)).isSymlink);
  },

  async "times and permissions are those that were set, of what a link leads to"({ files, directory }) {
    await files.writeText(`${directory}/a`, "abc", "new");
    await files.symlink("a", `${directory}/link`);
    await files.setModified(`${directory}/link`, new Date(5_000_000));
    await files.setPermissions(`${directory}/link`, 0o440);
    const { mtime, mode } = await files.lstat(`${directory}/a`);
    assert.deepEqual([mtime?.getTime(), mode! & 0o777], [5_000_000, 0o440]);
    await assert.rejects(files.setModified(`${directory}/absent`, new Date()), isA(NotFound));
    await assert.rejects(files.setPermissions(`${directory}/absent`, 0o600), isA(NotFound));
  },

  async "a real path has no links in it"({ files, directory }) {
    await files.makeDirectory(`${directory}/a/b`);
    await files.symlink("a/b", `${directory}/one`);
    await files.symlink(`${directory}/one`, `${directory}/two`);
    await files.symlink("three", `${directory}/three`);
    assert.equal(await files.realPath(`${directory}/two/../b/./`), `${directory}/a/b`);
    assert.equal(await files.readLink(`${directory}/two`), `${directory}/one`);
    await assert.rejects(files.realPath(`${directory}/absent`), isA(NotFound));
    await assert.rejects(files.realPath(`${directory}/three`), isA(FilesystemLoop));
    await assert.rejects(files.readLink(`${directory}/absent`), isA(NotFound));
    await assert.rejects(files.readLink(`${directory}/a`), Error);
    await assert.rejects(files.symlink("x", `${directory}/two`), isA(AlreadyExists));
  },

  async "a file system's room is told from any path on it"({ files, directory }) {
    await files.writeText(`${directory}/a`, "abc", "new");
    for (const path of [directory, `${directory}/a`]) {
      const space = await files.space(path);
      assert.ok(space.freeBytes > 0 && space.freeBytes <= space.totalBytes);
      assert.ok(space.freeInodes <= space.totalInodes && space.type > 0);
    }
    await assert.rejects(files.space(`${directory}/absent`), /no such file/i);
  },

  async "temporary names are new every time, and nobody else's to read"({ files }) {
    const [one, other] = [await files.makeTemporaryDirectory("t-"), await files.makeTemporaryDirectory("t-")];
    const file = files.makeTemporaryFileNow("t-");
    assert.equal(new Set([one, other, file]).size, 3);
    assert.ok(one.includes("/t-") && file.includes("/t-"));
    assert.deepEqual([files.lstatNow(one).isDirectory, files.lstatNow(file).isFile], [true, true]);
    assert.equal(files.lstatNow(one).mode! & 0o077, 0);
    assert.equal(files.lstatNow(file).mode! & 0o077, 0);
    for (const path of [one, other, file]) files.removeTreeNow(path);
  },

  // deno-lint-ignore require-await -- a promise like the others
  async "unique names are unique, and UUIDs"({ files }) {
    const names = Array.from({ length: 100 }, () => files.uniqueName());
    assert.equal(new Set(names).size, 100);
    for (const name of names) assert.match(name, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
  },
};
