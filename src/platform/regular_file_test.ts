import assert from "node:assert/strict";
import { NotRegularFileError, openRegularFile } from "./regular_file.ts";
import { systemFiles } from "./system_files.ts";

Deno.test("a pipe, a device and a directory are refused at once, and a link to a file is one", async () => {
  const directory = Deno.makeTempDirSync();
  try {
    assert.ok(new Deno.Command("mkfifo", { args: [`${directory}/pipe`] }).outputSync().success);
    Deno.writeTextFileSync(`${directory}/file`, "x");
    Deno.symlinkSync("file", `${directory}/link`);
    Deno.symlinkSync("/dev/zero", `${directory}/zero`);
    const refused = {
      [directory]: /a directory/,
      [`${directory}/pipe`]: /a pipe/,
      [`${directory}/zero`]: /a device/,
    };
    for (const [path, what] of Object.entries(refused)) {
      await assert.rejects(
        openRegularFile(systemFiles, path),
        (error) => error instanceof NotRegularFileError && what.test(error.message),
      );
    }
    for (const name of ["file", "link"]) (await openRegularFile(systemFiles, `${directory}/${name}`)).close();
    await assert.rejects(openRegularFile(systemFiles, `${directory}/none`), Deno.errors.NotFound);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});
