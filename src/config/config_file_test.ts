import assert from "node:assert/strict";
import * as fc from "fast-check";
import { fileSource, parseConfigFile } from "./config_file.ts";
import { resolveSettings } from "./resolve.ts";
import { type Setting, type SettingName, SETTINGS } from "./settings.ts";
import { YamlError } from "./yaml_error.ts";

const PATH = "/etc/airunner/config.yaml";

function problemsOf(source: string): string[] {
  try {
    parseConfigFile(source, PATH);
  } catch (error) {
    assert.ok(error instanceof YamlError, String(error));
    return error.problems.map(({ line, column, reason }) => `${line}:${column} ${reason}`);
  }
  return [];
}

function valuesOf<N extends SettingName>(source: string, ...names: N[]) {
  return resolveSettings(names, [fileSource(parseConfigFile(source, PATH))], "/home/ci");
}

Deno.test("a file sets what it names, and says in which line", () => {
  const { values, origins } = valuesOf(
    "# Night builds\nQueue: nightly\nRetryBackoff:\n  InitialInterval: 5s\nWALMaxBytes: 5GB\n",
    "queue",
    "retryInitialInterval",
    "walMaxBytes",
    "retentionDays",
  );
  assert.equal(values.queue, "nightly");
  assert.equal(values.retryInitialInterval, 5000);
  assert.equal(values.walMaxBytes, 5e9);
  assert.deepEqual(origins.retryInitialInterval, {
    origin: "file",
    where: `${PATH} line 4, column 20`,
    line: 4,
  });
  assert.deepEqual(origins.retentionDays, { origin: "default", where: "" });
});

Deno.test("names match whatever their case, underscores and hyphens", () => {
  for (
    const key of ["RetentionDays", "retention_days", "retention-days", "RETENTIONDAYS", '"Retention-Days"']
  ) {
    assert.equal(valuesOf(`${key}: 7`, "retentionDays").values.retentionDays, 7, key);
  }
  for (const source of ["retry_backoff: {max-interval: 2m}", "RETRYBACKOFF:\n  maxinterval: 2m"]) {
    assert.equal(valuesOf(source, "retryMaxInterval").values.retryMaxInterval, 120_000, source);
  }
});

Deno.test("a value means in the file what it means as a flag, quoted or not", () => {
  const cases: [source: string, name: SettingName, value: unknown][] = [
    ["RetentionDays: '7'", "retentionDays", 7],
    ["RetentionDays: 007", "retentionDays", 7],
    ["ArchiveOnComplete: no", "archiveOnComplete", false],
    ["ArchiveOnComplete: False", "archiveOnComplete", false],
    ["Queue: 007", "queue", "007"],
    ["Queue: 1e3", "queue", "1e3"],
    ["Queue: true", "queue", "true"],
    ["Queue: 'null'", "queue", "null"],
    ["MinFreeSpace: 4096", "minFreeSpace", 4096],
    ["MinFreeSpace: 1.5 KB", "minFreeSpace", 1500],
    ["Sync: INTERVAL", "sync", "interval"],
    ["MetricsListen: off", "metricsListen", "off"],
    ["Listen: 127.0.0.1:0", "listen", { hostname: "127.0.0.1", port: 0 }],
    ["RetryBackoff: {Multiplier: 1.5}", "retryMultiplier", 1.5],
    ["\ufeffQueue: a\r\nConcurrency: 2\r\n", "concurrency", 2],
  ];
  for (const [source, name, value] of cases) {
    assert.deepEqual(valuesOf(source, name).values[name], value, source);
  }
});

Deno.test("a relative path leads on from the directory of the file, and ~ is the home directory", () => {
  const { values } = valuesOf(
    "WALDir: wal\nArchiveDir: ~/old\nDataDir: /srv",
    "walDir",
    "archiveDir",
    "dataDir",
  );
  assert.deepEqual([values.walDir, values.archiveDir, values.dataDir], [
    "/etc/airunner/wal",
    "/home/ci/old",
    "/srv",
  ]);
});

Deno.test("every setting can be set in a file, to every value that it can have", () => {
  for (const [name, setting] of Object.entries(SETTINGS) as [SettingName, Setting][]) {
    const text = setting.default === undefined ? setting.example! : setting.type.format(setting.default);
    const [first, second] = setting.key.split(".");
    const source = second === undefined ? `${first}: ${text}` : `${first}:\n  ${second}: ${text}`;
    assert.equal(valuesOf(source, name).origins[name].origin, "file", setting.key);
  }
});

Deno.test("a wrong file is refused with everything that is wrong, each with its place", () => {
  const cases: [name: string, source: string, problems: RegExp[]][] = [
    ["nothing", "", []],
    ["comments alone", "# nothing\n\n# yet\n", []],
    ["an empty document", "---\n...\n", []],
    ["an unknown key", "RetentonDays: 3", [
      /^1:1 Unknown key "RetentonDays"; did you mean "RetentionDays"\?$/,
    ]],
    ["a key that is far from all", "Banana: 3", [/^1:1 Unknown key "Banana"; `airunner config show` lists/]],
    ["a flag's name", "retry-max-interval: 3s", [
      /did you mean "MaxInterval", indented below "RetryBackoff:"\?$/,
    ]],
    ["a variable's name", "AIRUNNER_QUEUE: x", [/did you mean "Queue"\?$/]],
    ["a key of another level", "MaxInterval: 3s", [/^1:1 .* "MaxInterval", indented below "RetryBackoff:"/]],
    ["a key too deep", "RetryBackoff:\n  Sync: always", [
      /^2:3 Unknown key "Sync" in RetryBackoff; .*without indentation/,
    ]],
    ["a dotted key", "RetryBackoff.MaxInterval: 3s", [/indented below/]],
    ["a wrong value", "RetentionDays: soon", [
      /^1:16 .*found "soon", expected a whole number from 1 to 36500$/,
    ]],
    ["a value out of range", "CompressionLevel: 99", [
      /^1:19 .*found the number 99, expected a whole number from 1 to 19/,
    ]],
    ["a number without unit", "FlushInterval: 2", [
      /found the number 2, expected a duration from 10ms to 2s, such as/,
    ]],
    ["nothing as a value", "Queue:", [/^1:7 .*found nothing/]],
    ["a list as a value", "Queue: [a]", [/found a list/]],
    ["keys as a value", "Queue:\n  a: b", [/found keys and values/]],
    ["a value for a group", "RetryBackoff: 5s", [/^1:15 .*found "5s", expected keys and values$/]],
    ["no keys at all", "just words", [/the document: found "just words", expected keys and values/]],
    ["the same key twice", "Queue: a\nqueue: b", [
      /^2:1 Duplicate key "queue": line 1 has it already as "Queue"; keep one$/,
    ]],
    ["an alias", "Queue: &a x\nWorkerName: *a", [
      /^2:13 Aliases are not supported; repeat the value of "WorkerName"$/,
    ]],
    ["a merge key", "<<: {Queue: a}", [/Unknown key "<<"/]],
    ["a tag", "Queue: !secret x", [/^1:8 Tags/]],
    ["two documents", "Queue: a\n---\nQueue: b", [/^2:1 Found a second document/]],
    ["an open bracket", "Queue: [a\nSync: always", [
      /^1:8 /,
      /^2:1 Found this before the \] of a bracket above/,
    ]],
    ["an open quote", "Queue: 'a\nSync: always\n", [/Found the end before a closing quote/]],
    ["a tab", "RetryBackoff:\n\tMaxInterval: 1m", [/^1:14 .*found nothing/, /^2:1 Tabs are not allowed/]],
    ["a prototype's name", "__proto__: 1\nconstructor: 2", [/^1:1 Unknown/, /^2:1 Unknown/]],
    ["a password", "Server: http://ci:hunter2@host", [/^1:9 .*found "http:\/\/\*{10}@host"/]],
    [
      "many mistakes",
      "Retenton_Days: 3\nQueue: a\nSync: never\nRetryBackoff:\n  Multiplier: 0\n  Factor: 2\n",
      [
        /^1:1 Unknown/,
        /^3:7 .*always, interval/,
        /^5:15 .*from 1 to 100/,
        /^6:3 Unknown key "Factor" in RetryBackoff/,
      ],
    ],
  ];
  for (const [name, source, patterns] of cases) {
    const problems = problemsOf(source);
    assert.equal(problems.length, patterns.length, `${name}: ${problems.join("\n")}`);
    patterns.forEach((pattern, at) => assert.match(problems[at], pattern, name));
  }
});

Deno.test("documents made to exhaust a parser are refused like any other", () => {
  const bomb = [
    "a: &a [x]",
    ..."bcdefghijk".split("").map((key, at) => {
      const before = "abcdefghijk"[at];
      return `${key}: &${key} [${Array(9).fill(`*${before}`).join(",")}]`;
    }),
  ].join("\n");
  assert.match(problemsOf(bomb)[0], /^1:1 Unknown key "a"/);
  assert.match(problemsOf("[".repeat(20_000))[0], /^1:1 .*found a list, expected keys and values/);
  assert.equal(problemsOf("x: 1\n".repeat(5000)).length, 100);
});

Deno.test("the excerpt points at the place, in long lines and behind tabs and carriage returns as well", () => {
  const excerptOf = (source: string) => {
    try {
      parseConfigFile(source, PATH);
    } catch (error) {
      return (error as YamlError).excerpt.split("\n");
    }
    return [];
  };
  assert.deepEqual(excerptOf("Sync: never\r\nQueue: a\r\n"), ["Sync: never", "      ^"]);
  assert.deepEqual(excerptOf("Sync:\tnever"), ["Sync: never", "      ^"]);
  const [line, caret] = excerptOf(`RetryBackoff: {${" ".repeat(500)}Multiplier: 0${" ".repeat(500)}}`);
  assert.ok(line.length <= 100);
  assert.equal(line[caret.length - 1], "0");
  assert.deepEqual(excerptOf("ApiToken: abc # mine"), ["ApiToken: **********", "^"]);
});

Deno.test("whatever the text, a file is read or refused with places that lie in it", () => {
  const pieces = fc.constantFrom(
    "Queue",
    "RetryBackoff",
    ":",
    " ",
    "\n",
    "  ",
    "[",
    "]",
    "{",
    "}",
    "*a",
    "&a",
    "'",
    '"',
    "#",
    "5s",
    "-",
    "\t",
    "!x",
    "|",
    "---",
    "\u0000",
  );
  fc.assert(fc.property(fc.array(pieces, { maxLength: 30 }), (words) => {
    const source = words.join("");
    try {
      parseConfigFile(source, PATH);
    } catch (error) {
      assert.ok(error instanceof YamlError, `${JSON.stringify(source)}: ${error}`);
      const lines = source.split("\n").length;
      for (const { line, column } of error.problems) {
        assert.ok(line >= 1 && line <= lines && column >= 1, source);
      }
    }
  }));
});
