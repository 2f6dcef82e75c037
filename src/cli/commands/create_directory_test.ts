import assert from "node:assert/strict";
import { systemFiles } from "../../platform/system_files.ts";
import { CommandError } from "../command_error.ts";
import { createDirectory } from "./create_directory.ts";

function inDirectory(act: (directory: string) => Promise<void>): () => Promise<void> {
  return async () => {
    const directory = Deno.makeTempDirSync();
    try {
      await act(directory);
    } finally {
      Deno.removeSync(directory, { recursive: true });
    }
  };
}

Deno.test(
  "data directories are made with their parents, for their owner alone",
  inDirectory(async (directory) => {
    await createDirectory(systemFiles, `${directory}/a/b`);
    assert.equal(Deno.statSync(`${directory}/a/b`).mode! & 0o777, 0o700);
    assert.equal(Deno.statSync(`${directory}/a`).mode! & 0o777, 0o700);
  }),
);

Deno.test(
  "a directory that is there, also by a link, stays as it is",
  inDirectory(async (directory) => {
    Deno.mkdirSync(`${directory}/real`, { mode: 0o750 });
    Deno.symlinkSync(`${directory}/real`, `${directory}/link`);
    await createDirectory(systemFiles, `${directory}/link`);
    assert.equal(Deno.statSync(`${directory}/real`).mode! & 0o777, 0o750);
  }),
);

Deno.test(
  "a link to a disk that is not mounted, and a file in the way, are refused by name",
  inDirectory(async (directory) => {
    Deno.symlinkSync(`${directory}/nowhere`, `${directory}/link`);
    Deno.writeTextFileSync(`${directory}/file`, "");
    await assert.rejects(createDirectory(systemFiles, `${directory}/link`), (error: Error) => {
      assert.ok(error instanceof CommandError);
      assert.match(error.message, /link: it is a symbolic link to something that does not exist/);
      return true;
    });
    await assert.rejects(createDirectory(systemFiles, `${directory}/file`), /file/);
  }),
);
