import assert from "node:assert/strict";
import { systemClock } from "../platform/system_clock.ts";
import { FileLock } from "../platform/file_lock.ts";
import { systemFiles } from "../platform/system_files.ts";
import { createMemoryContext, runInMemory } from "../../tests/support/memory_context.ts";
import { lookAt } from "./file_probe.ts";
import { measureSync } from "./sync_probe.ts";
import { createSystemProbe } from "./system_probe.ts";
import { SETTINGS } from "../../tests/support/healthy_probe.ts";

const VECTORS = new URL("../../tests/testdata/", import.meta.url).pathname;

class Machine implements Disposable {
  readonly directory = Deno.makeTempDirSync({ prefix: "airunner-doctor-" });
  readonly walDir = `${this.directory}/wal`;
  readonly archiveDir = `${this.directory}/archive`;

  makeDirectories(): void {
    for (const path of [this.walDir, this.archiveDir]) Deno.mkdirSync(path, { mode: 0o700 });
  }
  addVector(vector: string, name: string): string {
    Deno.writeFileSync(`${this.walDir}/${name}`, Deno.readFileSync(`${VECTORS}${vector}.wal`), {
      mode: 0o600,
    });
    return `${this.walDir}/${name}`;
  }
  probe() {
    const { directory: dataDir, walDir, archiveDir } = this;
    const settings = {
      ...SETTINGS,
      dataDir,
      walDir,
      archiveDir,
      metricsListen: "off" as const,
      server: undefined,
    };
    const command = (words: string) => `airunner ${words}`;
    const context = { ...createMemoryContext(["doctor"]).context, clock: systemClock, command };
    return createSystemProbe(settings, context, { path: undefined, mistakes: [] });
  }
  async doctor(): Promise<{ exitCode: number; report: Report }> {
    const args = ["doctor", "--json", `--data-dir=${this.directory}`, "--metrics-listen=off"];
    const { exitCode, stdout, stderr } = await runInMemory(args);
    assert.equal(stderr, "");
    return { exitCode, report: JSON.parse(stdout) };
  }
  [Symbol.dispose](): void {
    Deno.removeSync(this.directory, { recursive: true });
  }
}

interface Report {
  schema_version: number;
  ok: boolean;
  problems: number;
  checks: { id: string; status: string; found: string; cures: { command: string }[] }[];
}

const namesIn = (directory: string) => [...Deno.readDirSync(directory)].map(({ name }) => name).sort();

Deno.test("a sync is measured on a file of its own, of which nothing is left", async () => {
  using machine = new Machine();
  machine.makeDirectories();
  const { durationsMs, isHanging } = await measureSync({
    directory: machine.walDir,
    clock: systemClock,
    files: systemFiles,
    atExit: () => {},
  });
  assert.ok(durationsMs.length > 0 && !isHanging);
  assert.deepEqual(durationsMs, [...durationsMs].sort((one, other) => one - other));
  assert.deepEqual(namesIn(machine.walDir), []);
});

Deno.test("a program that is interrupted while it measures removes its file", async () => {
  using machine = new Machine();
  machine.makeDirectories();
  const actions: (() => void)[] = [];
  const measuring = measureSync({
    directory: machine.walDir,
    clock: systemClock,
    files: systemFiles,
    atExit: (action) => void actions.push(action),
  });
  for (const action of actions) action();
  await measuring;
  assert.equal(actions.length, 1);
  assert.deepEqual(namesIn(machine.walDir), []);
});

Deno.test("links, broken links and what is not there are told apart", async () => {
  using machine = new Machine();
  machine.makeDirectories();
  Deno.symlinkSync(machine.walDir, `${machine.directory}/link`);
  Deno.symlinkSync("/nonexistent/disk", `${machine.directory}/broken`);
  const { kind, mode, ownerId } = (await lookAt(systemFiles, machine.walDir))!;
  assert.deepEqual([kind, mode, ownerId], ["directory", 0o700, Deno.uid()]);
  assert.deepEqual(await lookAt(systemFiles, `${machine.directory}/link`), {
    kind,
    mode,
    ownerId,
    linkTarget: machine.walDir,
  });
  assert.equal((await lookAt(systemFiles, `${machine.directory}/broken`))?.kind, "broken_link");
  assert.equal(await lookAt(systemFiles, `${machine.directory}/none`), undefined);
});

Deno.test("logs are read with what is in them, what is wrong with them, and who has them", async () => {
  using machine = new Machine();
  machine.makeDirectories();
  machine.addVector("job", "whole.wal");
  machine.addVector("torn_tail", "torn.wal");
  machine.addVector("flip_in_second", "flipped.wal");
  machine.addVector("bad_magic", "aside.wal.corrupt");
  const held = FileLock.acquire(machine.addVector("job", "held.wal"), { create: false });
  try {
    const { logs, unread, quarantined } = await machine.probe().logs();
    const byName = new Map(logs.map((log) => [log.path.slice(machine.walDir.length + 1), log]));
    assert.equal(unread, 0);
    assert.deepEqual(quarantined, [`${machine.walDir}/aside.wal.corrupt`]);
    assert.deepEqual([...byName.keys()].sort(), ["flipped.wal", "held.wal", "torn.wal", "whole.wal"]);
    assert.equal(byName.get("held.wal")!.isLocked, true);
    assert.equal(byName.get("whole.wal")!.isLocked, false);
    assert.equal(byName.get("whole.wal")!.damage, null);
    assert.equal(byName.get("torn.wal")!.damage?.isTornTail, true);
    assert.equal(byName.get("flipped.wal")!.damage?.isTornTail, false);
  } finally {
    held.release();
  }
});

Deno.test("doctor makes nothing on a machine where nothing is, and changes nothing where something is", async () => {
  using machine = new Machine();
  const fresh = await machine.doctor();
  assert.equal(fresh.exitCode, 0);
  assert.deepEqual([fresh.report.schema_version, fresh.report.ok], [1, true]);
  assert.deepEqual(namesIn(machine.directory), []);

  machine.makeDirectories();
  const path = machine.addVector("flip_in_second", "flipped.wal");
  const before = Deno.readFileSync(path);
  const { exitCode, report } = await machine.doctor();
  assert.equal(exitCode, 3);
  assert.equal(report.ok, false);
  const damage = report.checks.find(({ id }) => id === "damage")!;
  assert.equal(damage.status, "problem");
  assert.equal(damage.cures[0].command, `airunner wal recover ${path} --data-dir=${machine.directory}`);
  assert.deepEqual(Deno.readFileSync(path), before);
  assert.deepEqual(namesIn(machine.walDir), ["flipped.wal"]);
});

Deno.test("a configuration file that is wrong is a problem, and everything else is looked at all the same", async () => {
  using machine = new Machine();
  machine.makeDirectories();
  Deno.writeTextFileSync(`${machine.directory}/config.yaml`, "RetentionDays: 30\nRetentoinDays: 7\n", {
    mode: 0o600,
  });
  const { exitCode, report } = await machine.doctor();
  const config = report.checks.find(({ id }) => id === "config")!;
  assert.deepEqual([exitCode, config.status, report.problems], [3, "problem", 1]);
  assert.match(config.found, /^1 mistake: line 2, column 1: .*RetentionDays/);
  assert.equal(config.cures[0].command, `airunner config validate ${machine.directory}/config.yaml`);

  Deno.writeTextFileSync(`${machine.directory}/config.yaml`, "RetentionDays: 7\n");
  const mended = await machine.doctor();
  assert.equal(mended.exitCode, 0);
  assert.match(mended.report.checks.find(({ id }) => id === "retention")!.found, /kept for 7 days/);
});

Deno.test("warnings alone do not fail", async () => {
  using machine = new Machine();
  machine.makeDirectories();
  Deno.chmodSync(machine.walDir, 0o755);
  const { exitCode, report } = await machine.doctor();
  assert.equal(report.checks.find(({ id }) => id === "wal_directory")!.status, "warning");
  assert.deepEqual([exitCode, report.problems], [0, 0]);
});
