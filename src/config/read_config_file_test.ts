import assert from "node:assert/strict";
import { ConfigFileError } from "./config_file_error.ts";
import { findConfigFile, readConfigText } from "./read_config_file.ts";
import { systemFiles } from "../platform/system_files.ts";

Deno.test("what is no configuration file is refused with what it is instead", async () => {
  const directory = Deno.makeTempDirSync();
  const at = (name: string) => `${directory}/${name}`;
  try {
    Deno.mkdirSync(at("directory"));
    Deno.symlinkSync("nowhere", at("dangling"));
    Deno.symlinkSync("circle", at("circle"));
    Deno.writeFileSync(at("nul"), new TextEncoder().encode("Queue: a\nSync: \0x\n"));
    Deno.writeFileSync(at("utf16"), new Uint8Array([0xff, 0xfe, 0x41, 0]));
    Deno.writeFileSync(at("latin1"), new Uint8Array([0x23, 0xc3, 0xa4, 0x0a, 0x23, 0xe4, 0x0a]));
    Deno.writeTextFileSync(at("large"), "");
    // Sparse: it has a length, and takes no room.
    Deno.truncateSync(at("large"), 100_000_000);
    const cases: [path: string, reason: RegExp][] = [
      [at("directory"), /^it is a directory$/],
      [at("missing"), /^no such file \(named by --config\)$/],
      [at("dangling"), /^no such file/],
      [at("circle"), /circle/],
      [at("nul/config.yaml"), /a part of its path is a file/],
      [at("nul"), /^it is no text: line 2 has a NUL byte \(offset 15\)$/],
      [at("utf16"), /^it is UTF-16; save it as UTF-8$/],
      [at("latin1"), /^it is not UTF-8: line 2 has a byte that no character has \(offset 5\)$/],
      [at("large"), /^it is longer than 1 MiB/],
      ["/dev/zero", /^it is longer than 1 MiB/],
    ];
    for (const [path, reason] of cases) {
      await assert.rejects(readConfigText(systemFiles, path, "--config"), (error) => {
        assert.ok(error instanceof ConfigFileError, path);
        assert.equal(error.path, path);
        assert.match(error.reason, reason, path);
        return true;
      });
    }
    assert.equal(await readConfigText(systemFiles, "/dev/null"), "");
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});

Deno.test("the first candidate that is there is the one, also as a symbolic link that leads nowhere", async () => {
  const directory = Deno.makeTempDirSync();
  const [first, second] = [`${directory}/a.yaml`, `${directory}/b.yaml`];
  const find = () =>
    findConfigFile(systemFiles, { named: undefined, candidates: [`${first}/no/directory`, first, second] });
  try {
    assert.equal(await find(), undefined);
    Deno.writeTextFileSync(second, "");
    assert.equal(await find(), second);
    Deno.symlinkSync("nowhere", first);
    assert.equal(await find(), first);
    const named = { path: `${directory}/missing`, where: "--config" };
    assert.equal(await findConfigFile(systemFiles, { named, candidates: [second] }), named.path);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});
