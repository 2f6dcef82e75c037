import assert from "node:assert/strict";
import { readJobFile } from "./job_file.ts";
import { nearest } from "./nearest.ts";
import { YamlError } from "./yaml_document.ts";

const WHOLE = `
# A nightly build.
repository: https://example.com/code.git
environment:
  CI: "true"
  PORT: '8080'
command: make
args: [-j4, test]
process_type: PIPE
timeout_seconds: 600
container:
  enabled: false
  mounts:
    - source: /src
      target: /work
      read_only: true
git_clone:
  depth: 1
  submodules: ""
`;

Deno.test("a job file is read under the protocol's names", () => {
  const job = readJobFile(WHOLE, "job.yaml");
  assert.equal(job.command, "make");
  assert.deepEqual(job.args, ["-j4", "test"]);
  assert.deepEqual({ ...(job.environment as object) }, { CI: "true", PORT: "8080" });
  assert.equal(job.process_type, "PROCESS_TYPE_PIPE");
  assert.equal(job.timeout_seconds, 600);
});

Deno.test("an empty job file sets nothing", () => {
  assert.deepEqual({ ...readJobFile("", "job.yaml") }, {});
  assert.deepEqual({ ...readJobFile("# nothing yet\n", "job.yaml") }, {});
});

Deno.test("a wrong job file is refused at its line and column", () => {
  const cases: [name: string, source: string, line: number, column: number, reason: RegExp][] = [
    [
      "unknown key",
      "command: ls\ntimeout_second: 5\n",
      2,
      1,
      /Unknown key "timeout_second"; did you mean "timeout_seconds"\?/,
    ],
    ["camel case", "timeoutSeconds: 5\n", 1, 1, /did you mean "timeout_seconds"\?/],
    ["far off", "zzzzzz: 5\n", 1, 1, /known keys: repository, commit/],
    [
      "nested key",
      "git_clone:\n  dept: 1\n",
      2,
      3,
      /Unknown key "dept" in git_clone; did you mean "depth"\?/,
    ],
    [
      "number as text",
      "environment:\n  PORT: 8080\n",
      2,
      9,
      /"environment.PORT": found the number 8080, expected text/,
    ],
    ["null", "command:\n", 1, 9, /"command": found nothing/],
    ["text as list", "args: -v\n", 1, 7, /"args": found "-v", expected a list/],
    [
      "number too large",
      "timeout_seconds: 99999999999\n",
      1,
      18,
      /expected a whole number from 0 to 2147483647/,
    ],
    ["wrong word", "process_type: tty\n", 1, 15, /expected one of pipe, pty/],
    ["not keys", "- a\n- b\n", 1, 1, /the document: found a list, expected keys and values/],
    ["alias", "command: &c ls\nowner: *c\n", 2, 8, /Aliases are not supported/],
    [
      "duplicate",
      "command: ls\ncommand: cat\n",
      2,
      1,
      /Duplicate key "command": line 1 has it already; keep one/,
    ],
    ["broken", "args: [a, b\ncommand: ls\n", 2, 1, /./],
  ];
  for (const [name, source, line, column, reason] of cases) {
    assert.throws(() => readJobFile(source, "job.yaml"), (error) => {
      assert.ok(error instanceof YamlError, name);
      assert.deepEqual([error.line, error.column], [line, column], `${name}: ${error.message}`);
      assert.match(error.reason, reason, name);
      return true;
    }, name);
  }
});

Deno.test("an error shows the line with a caret below the place", () => {
  assert.throws(() => readJobFile("command: ls\nowner: 7\n", "job.yaml"), (error) => {
    assert.equal((error as YamlError).excerpt, "owner: 7\n       ^");
    return true;
  });
});

Deno.test("a key named like a prototype is only a key", () => {
  const job = readJobFile("environment:\n  __proto__: x\n", "job.yaml");
  assert.deepEqual(Object.keys(job.environment as object), ["__proto__"]);
  assert.throws(() => readJobFile("__proto__: x\n", "job.yaml"), YamlError);
});

Deno.test("the nearest word ignores case and separators, and far words are not guessed", () => {
  assert.equal(nearest("RETENTION_DAYS", ["RetentionDays", "Sync"]), "RetentionDays");
  assert.equal(nearest("synk", ["RetentionDays", "Sync"]), "Sync");
  assert.equal(nearest("banana", ["RetentionDays", "Sync"]), undefined);
  assert.equal(nearest("x", ["y"]), undefined);
});
