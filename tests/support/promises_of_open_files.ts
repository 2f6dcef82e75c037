/**
 * The promises of `Files` that are about open files: locks, positions, and what is there to be opened; see
 * `files_contract.ts`.
 */
import assert from "node:assert/strict";
import { FileLockedError } from "../../src/platform/file_lock.ts";
import { type OpenMode, writeAll } from "../../src/platform/files.ts";
import {
  AlreadyExists,
  FilesystemLoop,
  IsADirectory,
  NotADirectory,
  NotFound,
} from "../../src/platform/system_errors.ts";
import type { FilesPromise } from "./files_promise.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

async function errorOf(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  assert.fail("it was not refused");
}

export const OPEN_FILE_PROMISES: Record<string, FilesPromise> = {
  async "a locked file appends wherever it was read, and after a truncation"({ files, directory }) {
    const path = `${directory}/a`;
    const file = await files.create(path);
    await writeAll(file, new Uint8Array([1, 2, 3, 4]));
    const into = new Uint8Array(2);
    assert.equal(await file.read(into, 1), 2);
    assert.deepEqual(into, new Uint8Array([2, 3]));
    await writeAll(file, new Uint8Array(100_000).fill(5));
    await file.truncate(3);
    await writeAll(file, new Uint8Array([9]));
    await file.syncData();
    await file.sync();
    assert.equal(await file.size(), 4);
    assert.deepEqual([await file.read(into, 3), into[0]], [1, 9]);
    assert.deepEqual([await file.read(into, 4), await file.read(into, 99)], [0, 0]);
    assert.deepEqual(new Uint8Array(files.readNow(path)), new Uint8Array([1, 2, 3, 9]));
    file.close();
    file.close();
    const again = await files.open(path);
    await writeAll(again, new Uint8Array([7]));
    again.close();
    assert.deepEqual(new Uint8Array(files.readNow(path)), new Uint8Array([1, 2, 3, 9, 7]));
  },

  async "truncation makes a file longer as well, with zeros"({ files, directory }) {
    const file = await files.create(`${directory}/a`);
    await writeAll(file, new Uint8Array([1, 2, 3, 4, 5, 6]));
    await file.truncate(1);
    await file.truncate(4);
    file.close();
    assert.deepEqual(new Uint8Array(files.readNow(`${directory}/a`)), new Uint8Array([1, 0, 0, 0]));
  },

  async "a file is made for its owner alone, and never over anything"({ files, directory }) {
    const path = `${directory}/a`;
    (await files.create(path)).close();
    assert.equal((await files.stat(path)).mode! & 0o777, 0o600);
    await files.symlink("nowhere", `${directory}/link`);
    await files.makeDirectory(`${directory}/below`);
    for (const name of ["a", "link", "below"]) {
      assert.ok(await errorOf(files.create(`${directory}/${name}`)) instanceof AlreadyExists, name);
    }
    assert.ok(await errorOf(files.create(`${directory}/absent/a`)) instanceof NotFound);
    assert.ok(await errorOf(files.lstat(`${directory}/nowhere`)) instanceof NotFound);
  },

  async "only a regular file is opened with a lock, and no link is followed"({ files, directory }) {
    await files.writeText(`${directory}/a`, "", "new");
    await files.symlink(`${directory}/a`, `${directory}/link`);
    await files.makeDirectory(`${directory}/below`);
    assert.ok(await errorOf(files.open(`${directory}/link`)) instanceof FilesystemLoop);
    assert.ok(await errorOf(files.open(`${directory}/absent`)) instanceof NotFound);
    assert.ok(await errorOf(files.open(`${directory}/below`)) instanceof IsADirectory);
    assert.ok(await errorOf(files.open(`${directory}/a/b`)) instanceof NotADirectory);
  },

  async "a lock has one holder and is gone when that closes"({ files, directory }) {
    const path = `${directory}/a`;
    const holder = await files.create(path);
    const refused = await errorOf(files.open(path));
    assert.ok(refused instanceof FileLockedError && refused.path === path);
    const { dev, ino } = files.lstatNow(path);
    const file = { dev, ino: ino! };
    const table = files.lockTable();
    if (table !== undefined) {
      assert.ok(table.isLocked(file));
      assert.ok(table.ownerOf(file)?.pid === refused.ownerPid);
    }
    // Whoever takes no lock is not kept out.
    assert.equal(await files.readText(path), "");
    // The lock is the file's, whatever its names.
    await files.link(path, `${directory}/b`);
    await files.rename(path, `${directory}/c`);
    assert.ok(await errorOf(files.open(`${directory}/b`)) instanceof FileLockedError);
    holder.close();
    holder.close();
    assert.equal(files.lockTable()?.ownerOf(file), undefined);
    const next = await files.open(`${directory}/c`);
    holder.close();
    assert.ok(await errorOf(files.open(`${directory}/b`)) instanceof FileLockedError);
    next.close();
  },

  async "directories are locked by many, or by one alone"({ files, directory }) {
    const path = `${directory}/below`;
    await files.makeDirectory(path);
    const [first, second] = [files.lockDirectory(path, "shared"), files.lockDirectory(path, "shared")];
    // Nothing more can be shown where directories cannot be locked.
    if (first === undefined || second === undefined) return;
    assert.throws(() => files.lockDirectory(path, "exclusive"), FileLockedError);
    first.release();
    first.release();
    assert.throws(() => files.lockDirectory(path, "exclusive"), FileLockedError);
    second.release();
    const alone = files.lockDirectory(path, "exclusive");
    assert.throws(() => files.lockDirectory(path, "shared"), FileLockedError);
    // It stays with the directory, and files in it are as before.
    await files.rename(path, `${directory}/moved`);
    assert.throws(() => files.lockDirectory(`${directory}/moved`, "shared"), FileLockedError);
    (await files.create(`${directory}/moved/a`)).close();
    alone?.release();
    files.lockDirectory(`${directory}/moved`, "shared")?.release();
    assert.throws(() => files.lockDirectory(path, "shared"), NotFound);
    assert.throws(() => files.lockDirectory(`${directory}/moved/a`, "shared"), NotADirectory);
  },

  async "what is open stays, whatever becomes of its name"({ files, directory }) {
    const path = `${directory}/a`;
    const file = await files.create(path);
    await writeAll(file, bytes("abc"));
    using reader = await files.openForReading(path);
    await files.remove(path);
    await writeAll(file, bytes("d"));
    const into = new Uint8Array(9);
    assert.equal(await file.read(into, 0), 4);
    assert.equal(await reader.read(into), 4);
    file.close();
    assert.ok(await errorOf(files.open(path)) instanceof NotFound);
  },

  async "a file is read from its beginning, or from where it is told to"({ files, directory }) {
    await files.writeText(`${directory}/a`, "abcdef", "new");
    await files.symlink("a", `${directory}/link`);
    using file = await files.openForReading(`${directory}/link`);
    const into = new Uint8Array(4);
    assert.deepEqual([await file.read(into), into], [4, bytes("abcd")]);
    assert.deepEqual([await file.read(into), into.subarray(0, 2)], [2, bytes("ef")]);
    assert.equal(await file.read(into), 0);
    await file.seek(1);
    assert.deepEqual([await file.read(into), into], [4, bytes("bcde")]);
    const { isFile, size, ino } = await file.stat();
    assert.deepEqual([isFile, size, ino], [true, 6, files.lstatNow(`${directory}/a`).ino]);
    await file.seek(99);
    assert.equal(await file.read(into), 0);
    assert.ok(await errorOf(files.openForReading(`${directory}/absent`)) instanceof NotFound);
    assert.ok(await errorOf(files.openForReading(`${directory}/a/b`)) instanceof NotADirectory);
    using itself = await files.openForReading(directory);
    assert.ok((await itself.stat()).isDirectory);
    assert.ok(await errorOf(itself.read(into)) instanceof IsADirectory);
  },

  async "a new file is written where there is nothing, not even a link that leads nowhere"(
    { files, directory },
  ) {
    const write = (name: string, mode: OpenMode) => files.writeText(`${directory}/${name}`, "new", mode);
    await write("a", "new");
    await files.symlink("nowhere", `${directory}/link`);
    for (const name of ["a", "link"]) {
      assert.ok(await errorOf(write(name, "new")) instanceof AlreadyExists, name);
    }
    assert.ok(await errorOf(write("absent", "existing")) instanceof NotFound);
    assert.ok(await errorOf(write("link", "existing")) instanceof NotFound);
    assert.ok(await errorOf(write("absent/a", "replaced")) instanceof NotFound);
    assert.ok(await errorOf(files.writeText(directory, "", "replaced")) instanceof IsADirectory);
    assert.ok(await errorOf(files.writeText(directory, "", "existing")) instanceof IsADirectory);
    await write("link", "replaced");
    assert.equal(await files.readText(`${directory}/nowhere`), "new");
  },

  async "an existing file is written over from its beginning, a replaced one is empty first"(
    { files, directory },
  ) {
    const path = `${directory}/a`;
    await files.writeText(path, "abcdef", "new", 0o640);
    assert.equal(files.lstatNow(path).mode! & 0o777, 0o640);
    {
      using file = await files.openForWriting(path, "existing");
      await writeAll(file, bytes("12"));
      await writeAll(file, bytes("3"));
      await file.syncData();
      await file.sync();
    }
    assert.equal(await files.readText(path), "123def");
    const { ino } = files.lstatNow(path);
    await files.writeText(path, "x", "replaced", 0o600);
    assert.deepEqual([await files.readText(path), files.lstatNow(path).ino], ["x", ino]);
    assert.equal(files.lstatNow(path).mode! & 0o777, 0o640, "permissions are for a file that is made");
  },

  async "what was closed is not touched any more"({ files, directory }) {
    const path = `${directory}/a`;
    const file = await files.create(path);
    file.close();
    const writer = await files.openForWriting(path, "existing");
    writer.close();
    await errorOf(file.write(bytes("x")));
    await errorOf(file.syncData());
    await errorOf(file.truncate(1));
    await errorOf(writer.write(bytes("x")));
    assert.equal(await files.readText(path), "");
  },

  async "text is read as UTF-8, and of what is no file nothing is read"({ files, directory }) {
    await files.writeText(`${directory}/a`, "größer", "new");
    assert.equal(await files.readText(`${directory}/a`), "größer");
    assert.deepEqual(new Uint8Array(files.readNow(`${directory}/a`)), bytes("größer"));
    assert.ok(await errorOf(files.readText(`${directory}/absent`)) instanceof NotFound);
    assert.throws(() => files.readNow(`${directory}/absent`), NotFound);
    assert.ok(await errorOf(files.readText(directory)) instanceof IsADirectory);
  },
};
