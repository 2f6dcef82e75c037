import assert from "node:assert/strict";
import { tmpdir } from "node:os";
import { COMMANDS } from "./table/commands.ts";
import { createMemoryContext, runInMemory } from "../../tests/support/memory_context.ts";
import { run } from "./run.ts";
import { VERSION } from "../platform/version.ts";

const COMMAND_LINES: [line: string, exitCode: number, stderr: RegExp, env?: Record<string, string>][] = [
  ["", 2, /^Usage: airunner/],
  ["--version", 0, /^$/],
  ["version", 0, /^$/],
  ["--help", 0, /^$/],
  ["wal", 2, /^Usage: airunner wal/],
  ["wal --help", 0, /^$/],
  ["help", 0, /^$/],
  ["help wal inspect", 0, /^$/],
  ["help wall", 2, /^Unknown command or topic 'wall'. Did you mean wal\?/],
  ["help disk-ful", 2, /^Unknown command or topic 'disk-ful'. Did you mean disk-full\?/],
  ["help wal inspcet", 2, /^Unknown command 'inspcet'. Did you mean inspect\?\nType `airunner wal --help`/],
  ["wokrer", 2, /^Unknown command 'wokrer'\. Did you mean worker\?\nType `airunner help` for help\.\n$/],
  [
    "wal inspct x",
    2,
    /^Unknown command 'inspct'\. Did you mean inspect\?\nType `airunner help wal` for help\.\n$/,
  ],
  [
    "wal verify --jsn x",
    2,
    /^Unknown option '--jsn'\. Did you mean --json\?\nType `airunner help wal verify` for help/,
  ],
  ["wal verify", 2, /^Cannot verify: name the files, or give --all/],
  ["wal cleanup", 2, /^Cannot clean up without a limit: give --older-than, --max-bytes or --keep/],
  [
    "wal cleanup --older-than=soon --dry-run",
    2,
    /^Cannot read --older-than: expected a duration .*, found "soon"/,
  ],
  ["wal cleanup --older-than=1d", 2, /^Nothing was deleted: there is no terminal to ask on\. Add --yes/],
  ["wal dump x", 2, /add --raw/],
  ["version extra", 2, /^Too many arguments for 'version'/],
  ["list", 2, /^No server is given: add --server=URL, or set AIRUNNER_SERVER/],
  ["list --server=nope", 2, /^Cannot read --server: expected an http/],
  ["list", 78, /^Cannot read AIRUNNER_SERVER: expected an http/, { AIRUNNER_SERVER: "nope" }],
  ["list --server=http://127.0.0.1:9 --state=done", 2, /^Cannot read --state: expected one of scheduled/],
  ["list --server=http://127.0.0.1:9 --limit=0", 2, /^Cannot read --limit: expected a whole number/],
  ["list --server=http://127.0.0.1:9", 75, /^Cannot use http:\/\/127\.0\.0\.1:9: .*\nCheck the address/],
  ["list", 78, /^Cannot read HOME/, { HOME: "", AIRUNNER_SERVER: "http://127.0.0.1:9" }],
  [
    "worker --concurrency=0 --server=http://127.0.0.1:9",
    2,
    /^Cannot read --concurrency: .* from 1 to 256, found "0"/,
  ],
  ["submit --server=http://127.0.0.1:9", 2, /^No command is given: put it after --/],
  ["submit --server=http://127.0.0.1:9 --timeout=5 -- ls", 2, /^Cannot read --timeout/],
  ["submit --server=http://127.0.0.1:9 --env=A -- ls", 2, /^Cannot read --env/],
  ["submit --server=http://127.0.0.1:9 ls -la", 2, /^Unknown option '-la'/],
  [
    "submit --server=http://127.0.0.1:9 -- ls --debug",
    75,
    /again with --request-id [0-9a-f-]{36}: it will not be run twice/,
  ],
  [
    "submit --server=http://127.0.0.1:9 --config /nonexistent.yaml",
    78,
    /^Cannot read \/nonexistent\.yaml: no such file/,
  ],
  ["logs --server=http://127.0.0.1:9 JOB --from-sequence=0", 2, /^Cannot read --from-sequence/],
  ["logs --server=http://127.0.0.1:9 JOB", 75, /^Cannot use http/],
  ["logs --server=http://127.0.0.1:9 JOB --credential=ci", 78, /Credentials "ci" were asked for/],
  ["wal inspect /nonexistent.wal", 1, /^Cannot read \/nonexistent\.wal: no such file/],
  ["wal inspect JOB", 1, /^No log of job "JOB": there is none in .*\/wal or .*\/archive/],
];

Deno.test("command lines end with the exit code and the message that the table says", async () => {
  for (const [line, exitCode, stderr, env] of COMMAND_LINES) {
    const result = await runInMemory(line.split(" ").filter(Boolean), { env });
    assert.equal(result.exitCode, exitCode, `${line}\n${result.stderr}`);
    assert.match(result.stderr, stderr, line);
    assert.doesNotMatch(result.stderr, /^\s+at /m, `${line}: a stack only with --debug`);
  }
});

Deno.test("every command has a summary, examples and exit codes in its help", async () => {
  for (const entry of COMMANDS) {
    const { exitCode, stdout } = await runInMemory([...entry.path.split(" "), "--help"]);
    assert.equal(exitCode, 0, entry.path);
    assert.match(stdout, /^Usage: airunner /, entry.path);
    assert.ok(entry.examples.length > 0, entry.path);
    for (const [line] of entry.examples) {
      assert.ok(stdout.includes(line), `${entry.path}: ${line}`);
      assert.ok(line.includes(`airunner ${entry.path}`), `${entry.path}: ${line}`);
    }
    assert.match(stdout, /\nExit codes: .*0/, entry.path);
  }
});

Deno.test("the version goes to stdout, and the option and the command say the same", async () => {
  assert.equal((await runInMemory(["--version"])).stdout, `${VERSION}\n`);
  assert.equal((await runInMemory(["version"])).stdout, `${VERSION}\n`);
});

Deno.test("help fits the terminal", async () => {
  const { stdout } = await runInMemory(["worker", "--help"], { isTerminal: true, columns: 80 });
  // Examples are to be copied, so they stay on one line each.
  const examples = /\nExamples:[^]*?\n\n/;
  assert.match(stdout, examples);
  for (const line of stdout.replace(examples, "\n").split("\n")) assert.ok(line.length <= 80, line);
});

Deno.test("a stack is shown with --debug, and not for a job's own --debug", async () => {
  const debugged = await runInMemory(["wal", "inspect", "/nonexistent.wal", "--debug"]);
  assert.match(debugged.stderr, /^\s+at /m);
  assert.match(debugged.stderr, /^Caused by: NotFound/m);
});

Deno.test("a reader that has gone is no failure, and nothing is said", async () => {
  const { exitCode, stderr } = await runInMemory(["--help"], { stdoutIsClosed: true });
  assert.deepEqual([exitCode, stderr], [0, ""]);
  const version = await runInMemory(["version"], { stdoutIsClosed: true });
  assert.deepEqual([version.exitCode, version.stderr], [0, ""]);
});

Deno.test("Ctrl-C ends a command that waits with 130, and leaves no temporary file behind", async () => {
  const started = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<void>();
  const stdin = new ReadableStream<Uint8Array>({
    pull: () => started.resolve(),
    cancel: () => ended.resolve(),
    // Without this it would be pulled when it is made, and the signal come before anybody waits.
  }, { highWaterMark: 0 });
  const memory = createMemoryContext(["wal", "inspect", "-"]);
  const spooled = () =>
    Array.from(Deno.readDirSync(tmpdir())).filter(({ name }) => name.startsWith("airunner-stdin-"));
  const before = spooled().length;
  const running = run({ ...memory.context, stdin }, () => {});
  await started.promise;
  memory.signal("SIGINT");
  assert.equal(await running, 130);
  memory.cleanUp();
  await ended.promise;
  assert.ok(spooled().length <= before);
});

Deno.test("the version and the check of a log do without loading the server, the delivery or the decompressor", async () => {
  for (const entry of ["../../main.ts", "./commands/wal/verify.ts"]) {
    const loaded = await staticImports(new URL(entry, import.meta.url));
    const heavy = [
      "/src/server/",
      "/src/delivery/",
      "/src/job/",
      "decompress",
      "connectrpc",
      "zstd",
      "yaml_document",
    ];
    for (const part of heavy) assert.ok(!loaded.some((module) => module.includes(part)), `${entry}: ${part}`);
    assert.ok(!loaded.includes("yaml"), `${entry}: the package`);
    assert.ok(loaded.length > 5, "the probe works");
  }
});

/** What static imports reach from a module: that is what is loaded before it runs. */
async function staticImports(entry: URL): Promise<string[]> {
  const seen = new Set<string>();
  const visit = async (url: URL) => {
    if (seen.has(url.href)) return;
    seen.add(url.href);
    if (!url.pathname.endsWith(".ts")) return;
    const source = await Deno.readTextFile(url);
    for (
      const [, typeOnly, specifier] of source.matchAll(/^(?:import|export) (type )?[^;]*?from "([^"]+)"/gm)
    ) {
      if (typeOnly) continue;
      if (specifier.startsWith(".")) await visit(new URL(specifier, url));
      else seen.add(specifier);
    }
  };
  await visit(entry);
  return [...seen];
}
