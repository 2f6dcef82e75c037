import assert from "node:assert/strict";
import { COMMANDS } from "../table/commands.ts";
import { SETTING_NAMES, SETTINGS } from "../../config/settings.ts";
import { TOPICS } from "../help/topics.ts";
import { runInMemory } from "../../../tests/support/memory_context.ts";

async function scriptFor(shell: string): Promise<string> {
  const { exitCode, stdout } = await runInMemory(["completion", shell]);
  assert.equal(exitCode, 0);
  return stdout;
}

/** Runs a program of a shell in a directory that holds the file `job one.yaml` and the directory `logs`. */
async function runShell(shell: string, args: string[], program: string): Promise<string[]> {
  const directory = Deno.makeTempDirSync();
  try {
    Deno.writeTextFileSync(`${directory}/job one.yaml`, "");
    Deno.mkdirSync(`${directory}/logs`);
    const { stdout, stderr, success } = await new Deno.Command(shell, {
      args: [...args, program],
      cwd: directory,
      env: { HOME: directory },
    }).output();
    assert.ok(success, new TextDecoder().decode(stderr));
    assert.equal(new TextDecoder().decode(stderr), "");
    return new TextDecoder().decode(stdout).split("\n").filter((line) => line !== "");
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

async function isInstalled(shell: string): Promise<boolean> {
  try {
    return (await new Deno.Command(shell, { args: ["-c", "true"] }).output()).success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

type Complete = (words: string[]) => Promise<string[]>;

/** What bash offers for the last of `words`; it is given words as bash itself cuts them. */
function bash(script: string): Complete {
  return (words) =>
    runShell(
      "bash",
      ["--norc", "--noprofile", "-c"],
      `${script}
COMP_WORDS=(airunner ${words.map((word) => `'${word}'`).join(" ")})
COMP_CWORD=${words.length}
_airunner airunner '${words.at(-1)}' '${words.at(-2) ?? "airunner"}'
printf '%s\\n' "\${COMPREPLY[@]}"`,
    );
}

/** What zsh offers, in its own cut of words; the functions of its completion system are played. */
function zsh(script: string): Complete {
  return (words) =>
    runShell(
      "zsh",
      ["-f", "-c"],
      `
compdef() { :; }
_describe() {
  [[ $1 == -o ]] && shift
  local entry
  for entry in \${(P)2}; do print -r -- "\${entry%%:*}"; done
}
_files() { if [[ $1 == -/ ]]; then print -rl -- *(/N); else print -rl -- *(N); fi }
_command_names() { print -- PROGRAMS; }
compset() { :; }
compadd() { shift; print -rl -- "$@"; }
${script}
words=(airunner ${words.map((word) => `'${word}'`).join(" ")})
CURRENT=${words.length + 1}
_airunner`,
    );
}

function fish(script: string): Complete {
  return async (words) => {
    const line = `airunner ${words.join(" ")}`;
    const lines = await runShell("fish", ["-c"], `${script}\ncomplete -C '${line}'`);
    return lines.map((offered) => offered.split("\t")[0]);
  };
}

const SHELLS: readonly [name: string, complete: (script: string) => Complete][] = [
  ["bash", bash],
  ["zsh", zsh],
  ["fish", fish],
];

function assertOffers(offered: readonly string[], expected: readonly string[], what: string): void {
  // Options with a value may be offered with the sign that follows them, directories with a slash.
  const names = offered.map((word) => word.replace(/[=/]$/, "").replace(/^--[\w-]+=/, ""));
  for (const word of expected) {
    assert.ok(names.includes(word), `${what}: ${word} is not among ${names.join(" ")}`);
  }
}

Deno.test("every shell that is here offers commands, options and values", async () => {
  const tried: string[] = [];
  for (const [name, completer] of SHELLS) {
    if (!await isInstalled(name)) continue;
    tried.push(name);
    const complete = completer(await scriptFor(name));
    const groups = [...new Set(COMMANDS.map(({ path }) => path.split(" ")[0]))];
    assertOffers(await complete([""]), [...groups, "help"], name);
    assertOffers(await complete(["wal", ""]), ["inspect", "verify", "dump", "cleanup"], name);
    assertOffers(
      await complete(["worker", "--"]),
      ["--once", "--server", "--sync", "--config", "--no-color"],
      name,
    );
    assertOffers(await complete(["worker", "--queue", "worker", "--s"]), ["--sync", "--server"], name);
    assertOffers(await complete(["worker", "--sync", ""]), ["always", "interval"], name);
    assertOffers(await complete(["completion", ""]), ["bash", "zsh", "fish"], name);
    assertOffers(await complete(["help", ""]), ["worker", "wal", ...TOPICS.map((topic) => topic.name)], name);
    assertOffers(await complete(["help", "wal", ""]), ["inspect", "verify"], name);
    assertOffers(await complete(["config", "validate", ""]), ["logs"], name);
    assertOffers(await complete(["worker", "--wal-dir", ""]), ["logs"], name);
    const inGroup = await complete(["wal", ""]);
    assert.ok(!inGroup.includes("worker"), `${name}: ${inGroup.join(" ")}`);
    const behindValue = await complete(["worker", "--queue", "wal", ""]);
    assert.ok(!behindValue.includes("inspect"), `${name}: a value is no command`);
  }
  assert.ok(tried.includes("bash"));
});

Deno.test("bash completes a value behind = whether it cuts words there or not, and prefixes only what it was given", async () => {
  const complete = bash(await scriptFor("bash"));
  assert.deepEqual(await complete(["worker", "--sync", "=", "al"]), ["always"]);
  assert.deepEqual(await complete(["worker", "--sync", "="]), ["always", "interval"]);
  assert.deepEqual(await complete(["worker", "--sync=al"]), ["--sync=always"]);
  assert.deepEqual(await complete(["worker", "--log-file", "="]), ["true", "false"]);
  assert.deepEqual(await complete(["worker", "--sync", "=", "always", "--onc"]), ["--once"]);
  assert.deepEqual(await complete(["worker", "--log-file", "--onc"]), ["--once"]);
});

Deno.test("bash completes files with blanks, directories alone, and commands of a job", async () => {
  const complete = bash(await scriptFor("bash"));
  assert.deepEqual(await complete(["submit", "--config", "job"]), ["job one.yaml"]);
  assert.deepEqual(await complete(["wal", "inspect", "job"]), ["job one.yaml"]);
  assert.deepEqual(await complete(["worker", "--data-dir", ""]), ["logs"]);
  assert.deepEqual(await complete(["worker", "--metrics-listen", "=", "o"]), ["off"]);
  assert.ok((await complete(["submit", "--", "bas"])).includes("bash"));
  assert.deepEqual(await complete(["submit", "--", "ls", "--onc"]), []);
  assert.deepEqual(await complete(["nonsense", ""]).then((words) => words.includes("worker")), true);
});

Deno.test("every setting's flag and every command is in each script", async () => {
  for (const [name] of SHELLS) {
    const script = await scriptFor(name);
    for (const setting of SETTING_NAMES) {
      const long = SETTINGS[setting].flag.slice(2);
      assert.ok(script.includes(name === "fish" ? `-l ${long} ` : `--${long}`), `${name}: ${long}`);
    }
    for (const { path } of COMMANDS) assert.ok(script.includes(path), `${name}: ${path}`);
  }
});

Deno.test("an unknown shell is refused", async () => {
  const { exitCode, stderr } = await runInMemory(["completion", "tcsh"]);
  assert.equal(exitCode, 2);
  assert.match(stderr, /^Unknown shell "tcsh": expected one of bash, zsh, fish/);
});
