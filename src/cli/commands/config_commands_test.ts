import assert from "node:assert/strict";
import { type MemoryOptions, runInMemory, type RunResult } from "../../../tests/support/memory_context.ts";
import { assertScreen } from "../../../tests/support/data_directory.ts";

interface Home {
  readonly path: string;
  run(line: string, options?: MemoryOptions): Promise<RunResult>;
  read(name: string): string;
}

/** A home directory with files in it; its path reads HOME in what commands print. */
async function withHome(files: Record<string, string>, test: (home: Home) => Promise<void>): Promise<void> {
  const path = Deno.makeTempDirSync();
  const hide = (text: string) => text.replaceAll(path, "HOME");
  try {
    for (const [name, content] of Object.entries(files)) {
      Deno.mkdirSync(`${path}/${name.slice(0, name.lastIndexOf("/"))}`, { recursive: true, mode: 0o700 });
      Deno.writeTextFileSync(`${path}/${name}`, content, { mode: 0o600 });
    }
    await test({
      path,
      async run(line, options = {}) {
        const words = line.replaceAll("HOME", path).split(" ");
        const result = await runInMemory(words, { ...options, env: { HOME: path, ...options.env } });
        return { ...result, stdout: hide(result.stdout), stderr: hide(result.stderr) };
      },
      read: (name) => Deno.readTextFileSync(`${path}/${name}`),
    });
  } finally {
    Deno.removeSync(path, { recursive: true });
  }
}

const DEFAULT = ".airunner/config.yaml";

const GOOD = `# Night builds
Server: https://airunner.example.com
retention_days: 7
RetryBackoff:
  InitialInterval: 5s
  MaxInterval: 2m
`;

const BAD = `RetentonDays: 30
FlushInterval: 5
WALDir: /mnt/ssd/wal
wal-dir: /mnt/hdd/wal
MaxInterval: 60s
Sync: sometimes
ApiToken: 0123456789
`;

Deno.test("config show prints what is in force as a file that says the same", async () => {
  await withHome({ [DEFAULT]: GOOD }, async (home) => {
    const { stdout, exitCode } = await home.run("config show --queue=nightly");
    assert.equal(exitCode, 0);
    assertScreen("config_show.txt", stdout);
    Deno.writeTextFileSync(`${home.path}/again.yaml`, stdout.replaceAll("HOME", home.path));
    const again = await home.run("config show --config=HOME/again.yaml");
    assert.equal(
      again.stdout.split("\n").slice(1).join("\n"),
      stdout.split("\n").slice(1).join("\n"),
    );
  });
});

Deno.test("config show --origin says of each setting where it came from", async () => {
  await withHome({ [DEFAULT]: GOOD }, async (home) => {
    const { stdout } = await home.run("config show --origin --queue=nightly", {
      env: { AIRUNNER_CONCURRENCY: "4", AIRUNNER_RETENTION_DAYS: "14" },
    });
    assertScreen("config_origin.txt", stdout);
  });
});

Deno.test("config show --json gives numbers as numbers and what has a unit with it", async () => {
  await withHome({ [DEFAULT]: GOOD }, async (home) => {
    const document = JSON.parse((await home.run("config show --json")).stdout);
    assert.equal(document.schema_version, 1);
    assert.equal(document.config_file, `HOME/${DEFAULT}`);
    const setting = (key: string) =>
      document.settings.find((candidate: { key: string }) => candidate.key === key);
    assert.deepEqual(setting("RetentionDays"), {
      key: "RetentionDays",
      value: 7,
      origin: "file",
      where: `HOME/${DEFAULT} line 3, column 17`,
      line: 3,
      flag: "--retention-days",
      variable: "AIRUNNER_RETENTION_DAYS",
      reloadable: true,
    });
    assert.equal(setting("RetryBackoff.InitialInterval").value, "5s");
    assert.equal(setting("ArchiveOnComplete").value, true);
    assert.deepEqual([setting("Credential").value, setting("Credential").where], [null, null]);
  });
});

Deno.test("a wrong file is refused by every command with all its mistakes", async () => {
  await withHome({ [DEFAULT]: BAD }, async (home) => {
    const { stdout, stderr, exitCode } = await home.run("wal cleanup --older-than=1d --dry-run");
    assert.deepEqual([exitCode, stdout], [78, ""]);
    assertScreen("config_refused.txt", stderr);
    assert.doesNotMatch(stderr, /0123456789/);
  });
});

Deno.test("commands that mend or explain work whatever is in the file", async () => {
  await withHome({ [DEFAULT]: BAD }, async (home) => {
    for (const line of ["version", "help config", "completion bash", "wal --help", "config init --force"]) {
      assert.equal((await home.run(line)).exitCode, 0, line);
    }
    assert.equal(home.read(`${DEFAULT}.bak`), BAD);
  });
});

Deno.test("config validate shows all mistakes, and says when all is well", async () => {
  await withHome({ [DEFAULT]: BAD, "new.yaml": GOOD }, async (home) => {
    const bad = await home.run("config validate");
    assert.equal(bad.exitCode, 78);
    assertScreen("config_validate_bad.txt", bad.stdout);
    const good = await home.run("config validate HOME/new.yaml");
    assert.deepEqual([good.exitCode, good.stdout], [0, "HOME/new.yaml is valid: it sets 4 settings\n"]);
    assert.equal((await home.run("config validate --config=HOME/new.yaml")).exitCode, 0);
    const { ok, problems } = JSON.parse((await home.run("config validate --json")).stdout);
    assert.deepEqual([ok, problems.length], [false, 6]);
    assert.deepEqual(problems[0], {
      line: 1,
      column: 1,
      reason: 'Unknown key "RetentonDays"; did you mean "RetentionDays"?',
    });
  });
});

Deno.test("config validate reads standard input, and looks at the environment when no file is named", async () => {
  await withHome({}, async (home) => {
    const piped = await home.run("config validate -", { stdin: "Sync: never\n" });
    assert.equal(piped.exitCode, 78);
    assert.match(piped.stdout, /^line 1, column 7: Cannot read "Sync"/);
    const env = { AIRUNNER_SYNC: "never", AIRUNNER_QUEUE: "a", AIRUNNER_RETENTON_DAYS: "3" };
    const { stdout, exitCode } = await home.run("config validate", { env });
    assert.equal(exitCode, 78);
    assertScreen("config_validate_environment.txt", stdout);
    const none = await home.run("config validate");
    assert.equal(none.exitCode, 0);
    assertScreen("config_validate_none.txt", none.stdout);
  });
});

Deno.test("a file that others may write to is warned about", async () => {
  await withHome({ "new.yaml": GOOD }, async (home) => {
    Deno.chmodSync(`${home.path}/new.yaml`, 0o666);
    const { stdout, exitCode } = await home.run("config validate HOME/new.yaml");
    assert.equal(exitCode, 0);
    assert.match(stdout, /^Warning: Others than its owner may write to .*chmod go-w HOME\/new\.yaml/);
  });
});

Deno.test("config init writes a file that validates, and never over another", async () => {
  await withHome({}, async (home) => {
    const first = await home.run("config init");
    assert.equal(first.exitCode, 0);
    assertScreen("config_init.txt", first.stdout);
    assertScreen("config_file.yaml", home.read(DEFAULT));
    assert.equal((await home.run("config validate")).exitCode, 0);
    const second = await home.run("config init");
    assert.equal(second.exitCode, 1);
    assertScreen("config_init_exists.txt", second.stderr);
    const elsewhere = await home.run("config init --config=HOME/etc/airunner.yaml");
    assert.match(elsewhere.stdout, /config validate --config=HOME\/etc\/airunner\.yaml/);
    assert.equal(home.read("etc/airunner.yaml"), home.read(DEFAULT));
  });
});

Deno.test("a file that cannot be used is refused with the reason and the way out", async () => {
  await withHome({ ".airunner/config.yaml/x": "" }, async (home) => {
    const { stderr, exitCode } = await home.run("list --server=http://127.0.0.1:9");
    assert.equal(exitCode, 78);
    assert.match(
      stderr,
      /^Cannot use the configuration file HOME\/\.airunner\/config\.yaml: it is a directory\nNothing was done\./,
    );
    const named = await home.run("list", { env: { AIRUNNER_CONFIG: "/nonexistent.yaml" } });
    assert.match(named.stderr, /\/nonexistent\.yaml: no such file \(named by AIRUNNER_CONFIG\)/);
  });
});

Deno.test("without a home directory config init has to be told where to write", async () => {
  const { exitCode, stderr } = await runInMemory(["config", "init"], { env: { HOME: "" } });
  assert.equal(exitCode, 78);
  assert.match(stderr, /^Cannot tell where to write: .*\nSet HOME, or add --config=FILE\.\n$/);
});

Deno.test("config validate tells of a wrong variable that every command has, instead of stumbling over it", async () => {
  await withHome({}, async (home) => {
    const { exitCode, stdout } = await home.run("config validate", { env: { AIRUNNER_LOG_LEVEL: "loud" } });
    assert.equal(exitCode, 78);
    assert.match(stdout, /^Cannot read AIRUNNER_LOG_LEVEL: .*found "loud"/);
  });
});

Deno.test("--config of submit is the job's file, and AIRUNNER_CONFIG still names the program's", async () => {
  await withHome(
    { "job.yaml": "command: ls\n", "other.yaml": "Server: http://127.0.0.1:9\n" },
    async (home) => {
      const { stderr, exitCode } = await home.run("submit --config HOME/job.yaml", {
        env: { AIRUNNER_CONFIG: `${home.path}/other.yaml` },
      });
      assert.equal(exitCode, 75);
      assert.match(stderr, /^Cannot use http:\/\/127\.0\.0\.1:9/);
    },
  );
});

Deno.test("version --json names the formats", async () => {
  const { stdout } = await runInMemory(["version", "--json"]);
  const { schema_version, version, log_format } = JSON.parse(stdout);
  assert.deepEqual([schema_version, log_format], [1, "ARWAL001"]);
  assert.equal(`${version}\n`, (await runInMemory(["version"])).stdout);
});
