import assert from "node:assert/strict";
import { writeConfigFile } from "./write_config_file.ts";
import { systemFiles } from "../platform/system_files.ts";

Deno.test("a file is written for its owner alone, and never over another without being told to", async () => {
  const directory = Deno.makeTempDirSync();
  const path = `${directory}/new/config.yaml`;
  try {
    assert.equal(await writeConfigFile(systemFiles, path, "Queue: a\n", false), true);
    assert.equal(Deno.statSync(path).mode! & 0o777, 0o600);
    assert.equal(await writeConfigFile(systemFiles, path, "Queue: b\n", false), false);
    assert.equal(Deno.readTextFileSync(path), "Queue: a\n");
    assert.equal(await writeConfigFile(systemFiles, path, "Queue: b\n", true), true);
    assert.equal(Deno.readTextFileSync(path), "Queue: b\n");
    assert.equal(Deno.readTextFileSync(`${path}.bak`), "Queue: a\n");
    assert.equal(Deno.statSync(path).mode! & 0o777, 0o600);
    assert.deepEqual([...Deno.readDirSync(`${directory}/new`)].map(({ name }) => name).sort(), [
      "config.yaml",
      "config.yaml.bak",
    ]);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});

Deno.test("a symbolic link keeps leading to the file, and one that leads nowhere counts as a file", async () => {
  const directory = Deno.makeTempDirSync();
  try {
    Deno.writeTextFileSync(`${directory}/real.yaml`, "Queue: a\n");
    Deno.symlinkSync("real.yaml", `${directory}/config.yaml`);
    Deno.symlinkSync("nowhere", `${directory}/dangling.yaml`);
    assert.equal(await writeConfigFile(systemFiles, `${directory}/config.yaml`, "Queue: b\n", true), true);
    assert.equal(Deno.readLinkSync(`${directory}/config.yaml`), "real.yaml");
    assert.equal(Deno.readTextFileSync(`${directory}/real.yaml`), "Queue: b\n");
    assert.equal(await writeConfigFile(systemFiles, `${directory}/dangling.yaml`, "", false), false);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});

Deno.test("a directory in the place of the file is refused and nothing is left behind", async () => {
  const directory = Deno.makeTempDirSync();
  try {
    Deno.mkdirSync(`${directory}/config.yaml`);
    await assert.rejects(writeConfigFile(systemFiles, `${directory}/config.yaml`, "", true));
    assert.deepEqual([...Deno.readDirSync(directory)].map(({ name }) => name), ["config.yaml"]);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});
