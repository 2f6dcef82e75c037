import assert from "node:assert/strict";
import { environmentSource, flagSource, resolveSettings, SettingError } from "./resolve.ts";
import { type Setting, type SettingName, SETTINGS } from "./settings.ts";

const environment = (variables: Record<string, string>) => environmentSource((name) => variables[name]);

Deno.test("a flag wins over the environment, and that over the default", () => {
  const variables = environment({ AIRUNNER_QUEUE: "nightly", AIRUNNER_CONCURRENCY: "3" });
  const { values, origins } = resolveSettings(
    ["queue", "concurrency", "retentionDays"],
    [flagSource({ queue: "urgent" }), variables],
    "/home/ci",
  );
  assert.equal(values.queue, "urgent");
  assert.equal(values.concurrency, 3);
  assert.equal(values.retentionDays, 30);
  assert.deepEqual(origins.queue, { origin: "flag", where: "--queue" });
  assert.deepEqual(origins.concurrency, { origin: "environment", where: "AIRUNNER_CONCURRENCY" });
  assert.deepEqual(origins.retentionDays, { origin: "default", where: "" });
});

Deno.test("a third source takes its place by order alone", () => {
  const file = {
    origin: "file" as const,
    find: (name: SettingName) =>
      name === "queue" ? { text: "from-file", where: "config.yaml line 1, column 8" } : undefined,
  };
  const resolve = (variables: Record<string, string>) =>
    resolveSettings(["queue"], [flagSource({}), environment(variables), file], "/home/ci").values.queue;
  assert.equal(resolve({}), "from-file");
  assert.equal(resolve({ AIRUNNER_QUEUE: "nightly" }), "nightly");
});

Deno.test("an empty variable counts as unset", () => {
  const { values } = resolveSettings(["queue"], [environment({ AIRUNNER_QUEUE: "" })], "/home/ci");
  assert.equal(values.queue, "default");
});

Deno.test("directories follow from the data directory, and each can be moved alone", () => {
  const names = ["dataDir", "walDir", "archiveDir", "data"] as const;
  assert.deepEqual({ ...resolveSettings(names, [], "/home/ci").values }, {
    dataDir: "/home/ci/.airunner",
    walDir: "/home/ci/.airunner/wal",
    archiveDir: "/home/ci/.airunner/archive",
    data: "/home/ci/.airunner/server.db",
  });
  const moved = resolveSettings(
    names,
    [flagSource({ dataDir: "/srv/ci/", archiveDir: "~/old" })],
    "/home/ci",
  );
  assert.equal(moved.values.walDir, "/srv/ci/wal");
  assert.equal(moved.values.archiveDir, "/home/ci/old");
});

Deno.test("without a home directory only an explicit data directory will do", () => {
  assert.throws(() => resolveSettings(["walDir"], [], undefined), SettingError);
  const given = resolveSettings(["walDir"], [flagSource({ dataDir: "/srv" })], undefined);
  assert.equal(given.values.walDir, "/srv/wal");
});

Deno.test("a wrong value is refused with its place, what was found and what was expected", () => {
  const resolve = () =>
    resolveSettings(["retryMaxInterval"], [environment({ AIRUNNER_RETRY_MAX_INTERVAL: "60" })], "/");
  assert.throws(resolve, (error) => {
    assert.ok(error instanceof SettingError);
    assert.equal(error.origin, "environment");
    assert.match(
      error.message,
      /^Cannot read AIRUNNER_RETRY_MAX_INTERVAL: expected a duration .*, found "60"$/,
    );
    return true;
  });
});

Deno.test("every default is a value of its own type, and names are unique", () => {
  const seen = new Set<string>();
  for (const setting of Object.values<Setting>(SETTINGS)) {
    if (setting.default !== undefined) {
      assert.deepEqual(
        setting.type.parse(setting.type.format(setting.default)),
        setting.default,
        setting.key,
      );
    }
    for (const name of [setting.key, setting.flag, setting.variable]) {
      assert.ok(!seen.has(name), name);
      seen.add(name);
    }
  }
});

Deno.test("the runbook's names are all there", () => {
  const keys = Object.values<Setting>(SETTINGS).map((setting) => setting.key);
  const runbook = [
    "WALDir",
    "ArchiveDir",
    "RetentionDays",
    "FlushInterval",
    "ArchiveOnComplete",
    "CompressionLevel",
    "RetryBackoff.InitialInterval",
    "RetryBackoff.MaxInterval",
    "RetryBackoff.Multiplier",
    "Sync",
  ];
  for (const key of runbook) assert.ok(keys.includes(key), key);
});
