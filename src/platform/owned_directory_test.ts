import assert from "node:assert/strict";
import {
  makeOwnedDirectory,
  preparePassage,
  removeOwnedDirectory,
  UnfitDirectoryError,
} from "./owned_directory.ts";

function inTemporary(action: (directory: string) => void | Promise<void>): () => Promise<void> {
  return async () => {
    const directory = Deno.makeTempDirSync();
    try {
      await action(directory);
    } finally {
      Deno.removeSync(directory, { recursive: true });
    }
  };
}

const modeOf = (path: string) => Deno.statSync(path).mode! & 0o777;

Deno.test(
  "a passage is made with the directories above it, passable and for nobody else to write, whatever the umask",
  inTemporary((directory) => {
    const umask = Deno.umask(0o077);
    try {
      preparePassage(`${directory}/a/b`, undefined);
    } finally {
      Deno.umask(umask);
    }
    assert.deepEqual([modeOf(`${directory}/a`), modeOf(`${directory}/a/b`)], [0o711, 0o711]);
    preparePassage(`${directory}/a/b`, undefined);
  }),
);

Deno.test(
  "what others could change is no passage: a link, a file, a directory that others write to",
  inTemporary((directory) => {
    Deno.mkdirSync(`${directory}/open`);
    Deno.chmodSync(`${directory}/open`, 0o777);
    Deno.symlinkSync("/", `${directory}/link`);
    Deno.writeTextFileSync(`${directory}/file`, "");
    for (const name of ["open", "link", "file", "file/below"]) {
      assert.throws(() => preparePassage(`${directory}/${name}`, undefined), UnfitDirectoryError, name);
    }
  }),
);

Deno.test(
  "an owned directory begins empty, is its owner's alone, and goes with everything but what links lead to",
  inTemporary(async (directory) => {
    const path = `${directory}/one`;
    Deno.mkdirSync(`${directory}/other`);
    Deno.writeTextFileSync(`${directory}/other/kept`, "");
    await makeOwnedDirectory(path, undefined);
    Deno.symlinkSync(`${directory}/other`, `${path}/link`);
    Deno.mkdirSync(`${path}/closed`);
    Deno.writeTextFileSync(`${path}/closed/file`, "");
    Deno.chmodSync(`${path}/closed`, 0o500);
    await makeOwnedDirectory(path, undefined);
    assert.deepEqual([...Deno.readDirSync(path)], []);
    assert.equal(modeOf(path), 0o700);
    await removeOwnedDirectory(path, undefined);
    await removeOwnedDirectory(path, undefined);
    assert.deepEqual([...Deno.readDirSync(directory)].map(({ name }) => name), ["other"]);
    assert.ok(Deno.statSync(`${directory}/other/kept`).isFile);
  }),
);
