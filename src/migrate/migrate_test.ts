import assert from "node:assert/strict";
import { FileLock } from "../platform/file_lock.ts";
import { CopyConflictError } from "./copy_file.ts";
import { migrate, MigrationError } from "./migrate.ts";
import { type MigrateOptions, planMigration } from "./plan.ts";
import { buildLog, noise, withDirectory } from "../../tests/support/archive_logs.ts";
import { systemFiles } from "../platform/system_files.ts";

interface Place {
  options: (more?: Partial<MigrateOptions>) => MigrateOptions;
  old: string;
  to: string;
  /** Every file by directory and name. */
  content: Map<string, Uint8Array>;
}

async function withPlace(body: (place: Place) => Promise<void>): Promise<void> {
  await withDirectory(async (directory) => {
    const real = Deno.realPathSync(directory);
    const [old, to] = [`${real}/old`, `${real}/new disk`];
    const content = new Map<string, Uint8Array>();
    for (let n = 1; n <= 4; n++) {
      content.set(`wal/job-${n}.wal`, buildLog({ jobId: `job-${n}`, events: 5 * n }));
      content.set(`archive/job-${n + 10}.wal.zst`, noise(1000 * n, n));
    }
    content.set("wal/job-1.wal.corrupt", noise(77));
    for (const name of ["wal", "archive"]) Deno.mkdirSync(`${old}/${name}`, { recursive: true });
    for (const [name, bytes] of content) Deno.writeFileSync(`${old}/${name}`, bytes);
    Deno.utimeSync(`${old}/archive/job-11.wal.zst`, new Date(1000), new Date(5_000_000));
    const sources = { wal: `${old}/wal`, archive: `${old}/archive` };
    const options = (more: Partial<MigrateOptions> = {}) => ({
      files: systemFiles,
      sources,
      to,
      symlink: true,
      signal: new AbortController().signal,
      ...more,
    });
    await body({ options, old, to, content });
  });
}

function assertAllIn(directory: string, content: ReadonlyMap<string, Uint8Array>): void {
  for (const [name, bytes] of content) {
    assert.deepEqual(Deno.readFileSync(`${directory}/${name}`), new Uint8Array(bytes));
  }
}

const names = (directory: string) => [...Deno.readDirSync(directory)].map(({ name }) => name).sort();

/** What must hold at every instant. */
function assertNothingLost({ old, to, content }: Place): void {
  for (const [name, bytes] of content) {
    const [directory, file] = name.split("/");
    const places = [`${old}/${directory}`, `${old}/${directory}.migrated`, `${to}/${directory}`];
    const found = places.some((place) => {
      try {
        const read = Deno.readFileSync(`${place}/${file}`);
        return read.length === bytes.length && read.every((byte, i) => byte === bytes[i]);
      } catch {
        // Not there; it may be in another place.
        return false;
      }
    });
    assert.ok(found, `${name} is nowhere whole`);
  }
}

Deno.test("migration moves every file, keeps its time, puts links in place and leaves nothing behind", async () => {
  await withPlace(async (place) => {
    const { options, old, to, content } = place;
    const result = await migrate(options());
    assert.deepEqual([result.linked, result.copiedFiles, result.removedFiles], [["wal", "archive"], 9, 9]);
    assertAllIn(old, content);
    assertAllIn(to, content);
    assert.ok(Deno.lstatSync(`${old}/wal`).isSymlink);
    assert.deepEqual([names(old), names(to)], [["archive", "wal"], ["archive", "wal"]]);
    assert.equal(Deno.statSync(`${to}/archive/job-11.wal.zst`).mtime?.getTime(), 5_000_000);
    assert.equal(Deno.statSync(`${to}/wal/job-1.wal`).mode! & 0o777, 0o600);
    assert.equal(Deno.statSync(`${to}/wal`).mode! & 0o777, 0o700);
    const again = await migrate(options());
    assert.deepEqual([again.copiedFiles, again.removedFiles, again.linked], [0, 0, []]);
    // And on to a third disk.
    const third = `${old}/third`;
    const moved = await migrate(options({ to: third }));
    assert.deepEqual([moved.linked, names(`${to}`)], [["wal", "archive"], []]);
    assertAllIn(old, content);
  });
});

Deno.test("a directory that is not there yet is linked as well, so that nothing comes to lie on the old disk", async () => {
  await withPlace(async ({ options, old, to, content }) => {
    Deno.removeSync(`${old}/archive`, { recursive: true });
    const result = await migrate(options());
    assert.deepEqual(result.linked, ["wal", "archive"]);
    assert.equal(Deno.readLinkSync(`${old}/archive`), `${to}/archive`);
    assert.deepEqual(Deno.readFileSync(`${to}/wal/job-1.wal`), new Uint8Array(content.get("wal/job-1.wal")!));
  });
  await withDirectory(async (directory) => {
    const sources = { wal: `${directory}/wal`, archive: `${directory}/archive` };
    const signal = new AbortController().signal;
    const result = await migrate({
      files: systemFiles,
      sources,
      to: `${directory}/new`,
      symlink: true,
      signal,
    });
    assert.deepEqual([result.linked, names(directory)], [[], ["new"]]);
  });
});

Deno.test("without links the originals stay until the settings name the new place", async () => {
  await withPlace(async ({ options, old, to, content }) => {
    const first = await migrate(options({ symlink: false }));
    assert.deepEqual([first.waiting, first.removedFiles], [["wal", "archive"], 0]);
    assertAllIn(old, content);
    const sources = { wal: `${to}/wal`, archive: `${old}/archive` };
    const second = await migrate(options({ symlink: false, sources }));
    assert.deepEqual([second.waiting, second.removedFiles], [["archive"], 5]);
    // A worker at the new place has sent and archived one log since.
    const third = await migrate(
      options({ symlink: false, sources: { ...sources, archive: `${to}/archive` } }),
    );
    assert.deepEqual([third.waiting, third.removedFiles], [[], 4]);
    assertAllIn(to, content);
    assert.deepEqual([names(old), names(to)], [[], ["archive", "wal"]]);
  });
});

Deno.test("an original whose copy a worker has appended to or archived since is removed, any other is not", async () => {
  await withPlace(async ({ options, old, to }) => {
    await migrate(options({ symlink: false }));
    Deno.writeFileSync(`${to}/wal/job-1.wal`, noise(50), { append: true });
    Deno.removeSync(`${to}/wal/job-2.wal`);
    Deno.writeFileSync(`${old}/wal/job-3.wal`, noise(9), { append: true });
    Deno.writeFileSync(`${old}/wal/late.wal`, noise(99));
    Deno.writeFileSync(`${to}/wal/job-4.wal`, noise(10));
    const sources = { wal: `${to}/wal`, archive: `${to}/archive` };
    await assert.rejects(migrate(options({ sources })), CopyConflictError);
    // What was appended, and what came late, is at the new place now; what differs is still at both.
    assert.equal(
      Deno.statSync(`${to}/wal/job-3.wal`).size,
      buildLog({ jobId: "job-3", events: 15 }).length + 9,
    );
    assert.deepEqual(names(`${old}/wal`), ["job-4.wal", "late.wal"]);
    Deno.removeSync(`${to}/wal/job-4.wal`);
    await migrate(options({ sources }));
    assert.deepEqual(names(`${to}/wal`), ["job-1.wal", "job-1.wal.corrupt", "job-3.wal", "late.wal"]);
    assert.deepEqual(names(old), []);
  });
});

Deno.test("a migration that is stopped after any file goes on where it was, and nothing is ever lost", async () => {
  await withPlace(async (place) => {
    const { options, old, content } = place;
    for (let stopAfter = 1; stopAfter <= 9; stopAfter++) {
      const stop = new AbortController();
      let files = 0;
      const onProgress = () => {
        if (++files === stopAfter) stop.abort();
        return Promise.resolve();
      };
      await assert.rejects(migrate(options({ signal: stop.signal, onProgress })));
      assertNothingLost(place);
    }
    await migrate(options());
    assertAllIn(old, content);
  });
});

Deno.test("a migration that was killed between renaming a directory and linking it is finished by the next", async () => {
  await withPlace(async (place) => {
    const { options, old, to, content } = place;
    await migrate(options({ symlink: false }));
    // The state names what the directory is renamed to before it is.
    const state = `${to}/.airunner-migration.json`;
    const written = JSON.parse(Deno.readTextFileSync(state));
    assert.deepEqual(written.originals.wal, [`${old}/wal`, `${old}/wal.migrated`]);
    Deno.renameSync(`${old}/wal`, `${old}/wal.migrated`);
    assert.equal((await planMigration(options())).directories[0].where, "cut_off");
    await migrate(options());
    assertAllIn(old, content);
    assert.deepEqual(names(old), ["archive", "wal"]);
  });
});

Deno.test("a link that a killed migration had made but not put in place yet is taken away by the next", async () => {
  await withPlace(async ({ options, old, to, content }) => {
    Deno.symlinkSync(`${to}/wal`, `${old}/wal.link`);
    await migrate(options());
    assertAllIn(old, content);
    assert.deepEqual(names(old), ["archive", "wal"]);
  });
});

Deno.test("a migration does not begin while somebody writes, over what is no file, into itself, or onto other files", async () => {
  await withPlace(async ({ options, old, to, content }) => {
    const kinds = async (more: Partial<MigrateOptions> = {}) => {
      await assert.rejects(migrate(options(more)), MigrationError);
      return (await planMigration(options(more))).obstacles.map(({ kind }) => kind);
    };
    const lock = FileLock.acquire(`${old}/wal/job-2.wal`, { create: false });
    assert.deepEqual(await kinds(), ["in_use"]);
    lock.release();
    const worker = FileLock.acquireDirectory(`${old}/wal`, "shared");
    const second = FileLock.acquireDirectory(`${old}/wal`, "shared");
    assert.deepEqual(await kinds(), ["worker_runs"]);
    worker?.release();
    second?.release();
    Deno.mkdirSync(`${old}/archive/kept`);
    assert.deepEqual(await kinds(), ["not_a_file"]);
    Deno.removeSync(`${old}/archive/kept`);
    assert.deepEqual(await kinds({ to: `${old}/wal/inner` }), ["inside_itself"]);
    Deno.mkdirSync(`${to}/wal`, { recursive: true });
    Deno.writeFileSync(`${to}/wal/job-1.wal`, noise(500));
    await assert.rejects(migrate(options()), CopyConflictError);
    assertAllIn(old, content);
    assert.equal(Deno.statSync(`${to}/wal/job-1.wal`).size, 500);
  });
});
