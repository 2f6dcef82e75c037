import assert from "node:assert/strict";
import { COMMANDS } from "../table/commands.ts";
import { type Setting, SETTINGS } from "../../config/settings.ts";
import { runInMemory } from "../../../tests/support/memory_context.ts";
import { assertScreen } from "../../../tests/support/data_directory.ts";
import { TOPICS } from "./topics.ts";

Deno.test("each topic is as expected, and fits a narrow terminal", async () => {
  for (const { name, text } of TOPICS) {
    const { exitCode, stdout } = await runInMemory(["help", name]);
    assert.deepEqual([exitCode, stdout], [0, text]);
    assertScreen(`help_${name}.txt`, stdout);
    for (const line of text.split("\n")) assert.ok(line.length <= 100, `${name}: ${line}`);
  }
});

Deno.test("help lists the topics, and finds them however they are written", async () => {
  const { stdout } = await runInMemory(["help"]);
  for (const { name, summary } of TOPICS) {
    assert.match(stdout, new RegExp(`^  ${name} +${summary.slice(0, 20)}`, "m"));
  }
  // What stands before them is made as wide as the terminal.
  for (const line of stdout.slice(stdout.indexOf("Topics:")).split("\n")) assert.ok(line.length <= 80, line);
  const { stdout: full } = await runInMemory(["help", "disk-full"]);
  for (const words of [["disk", "full"], ["Disk_Full"], ["diskfull"]]) {
    assert.equal((await runInMemory(["help", ...words])).stdout, full);
  }
  const { exitCode, stderr } = await runInMemory(["help", "not-sendng"]);
  assert.equal(exitCode, 2);
  assert.match(stderr, /^Unknown command or topic 'not-sendng'\. Did you mean not-sending\?/);
});

Deno.test("every command line in a topic is one that the program takes", async () => {
  const lines = TOPICS.flatMap(({ text }) =>
    [...text.matchAll(/^ +(airunner .*?)(?: {2,}.*)?$/gm)].map(([, line]) => line)
  );
  assert.ok(lines.length > 15);
  for (const line of lines) {
    const [, ...words] = line.split(" ");
    if (words[0] === "help") {
      assert.equal((await runInMemory(words)).exitCode, 0, line);
      continue;
    }
    const path = COMMANDS.map((entry) => entry.path).find((candidate) =>
      `${words.join(" ")} `.startsWith(`${candidate} `)
    );
    assert.ok(path !== undefined, `No such command: ${line}`);
    const { stdout } = await runInMemory([...path.split(" "), "--help"]);
    for (const option of words.filter((word) => word.startsWith("--"))) {
      assert.ok(stdout.includes(` ${option.split("=")[0]}`), `${path} has no ${option}: ${line}`);
    }
  }
});

Deno.test("the environment topic has every variable", () => {
  const { text } = TOPICS.find(({ name }) => name === "environment")!;
  for (const { variable, flag, key } of Object.values<Setting>(SETTINGS)) {
    assert.ok(text.includes(`  ${variable}\n`) && text.includes(`${flag}, ${key};`), key);
  }
});
