import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import fc from "fast-check";
import { systemFiles } from "../platform/system_files.ts";
import { silentLogger } from "../platform/logging/logger.ts";
import { archiveLog } from "./archiver.ts";
import { listArchives } from "./archive_list.ts";
import {
  applyRetention,
  planRetention,
  readRetentionEntries,
  type RetentionEntry,
  type RetentionPlan,
} from "./retention.ts";
import { buildLog, noise, runZstd, withDirectory } from "../../tests/support/archive_logs.ts";

const NOW = 1_000_000;

function entry(name: string, ageMs: number, fields: Partial<RetentionEntry> = {}): RetentionEntry {
  return {
    name,
    path: `/archive/${name}`,
    jobId: name,
    bytes: 10,
    mtimeMs: 0,
    ageBasisMs: NOW - ageMs,
    pending: 0,
    failed: 0,
    ...fields,
  };
}

function outline(plan: RetentionPlan) {
  const lines = (list: { entry: RetentionEntry; reason: string }[]) =>
    list.map(({ entry, reason }) => `${entry.name} ${reason}`).sort();
  return { delete: lines(plan.delete), keep: lines(plan.keep) };
}

Deno.test("only archives that are old enough go", () => {
  const entries = [entry("older", 101), entry("exactly", 100), entry("younger", 99), entry("future", -5)];
  deepStrictEqual(outline(planRetention(entries, { olderThanMs: 100 }, NOW)), {
    delete: ["exactly age", "older age"],
    keep: ["future young", "younger young"],
  });
});

Deno.test("what the server may lack stays, whatever its age and size", () => {
  const entries = [
    entry("a", 1e9, { pending: 1 }),
    entry("b", 1e9, { failed: 1 }),
    entry("c", 1e9, { pending: undefined }),
    entry("d", 1e9, { failed: undefined }),
  ];
  deepStrictEqual(outline(planRetention(entries, { olderThanMs: 0, bytesMax: 0 }, NOW)), {
    delete: [],
    keep: ["a pending", "b failed", "c unknown", "d unknown"],
  });
});

Deno.test("beyond the size the oldest go first", () => {
  const entries = [entry("new", 1), entry("old", 3), entry("middle", 2), entry("kept", 9, { pending: 1 })];
  deepStrictEqual(outline(planRetention(entries, { olderThanMs: 100, bytesMax: 25 }, NOW)), {
    delete: ["middle size", "old size"],
    keep: ["kept pending", "new young"],
  });
});

Deno.test("every archive is either deleted or kept, and never deleted unless the server has all of it", () => {
  const count = fc.option(fc.nat(2), { nil: undefined });
  const anyEntry = fc.tuple(fc.integer({ min: -50, max: 200 }), fc.nat(100), count, count)
    .map(([age, bytes, pending, failed]) => entry(`${age}-${bytes}`, age, { bytes, pending, failed }));
  fc.assert(
    fc.property(
      fc.array(anyEntry),
      fc.nat(150),
      fc.option(fc.nat(500), { nil: undefined }),
      (entries, olderThanMs, bytesMax) => {
        const plan = planRetention(entries, { olderThanMs, bytesMax }, NOW);
        strictEqual(plan.delete.length + plan.keep.length, entries.length);
        for (const { entry } of plan.delete) ok(entry.pending === 0 && entry.failed === 0);
        const keptBytes = plan.keep.reduce((sum, { entry }) => sum + entry.bytes, 0);
        if (bytesMax !== undefined && keptBytes > bytesMax) {
          ok(plan.keep.every(({ reason }) => reason !== "young"));
        }
      },
    ),
  );
});

Deno.test("a policy that makes no sense is refused", () => {
  throws(() => planRetention([], { olderThanMs: -1 }, NOW), RangeError);
  throws(() => planRetention([], { olderThanMs: NaN }, NOW), RangeError);
  throws(() => planRetention([], { olderThanMs: 1, bytesMax: NaN }, NOW), RangeError);
});

/** An archive directory with one of each kind. */
async function fill(directory: string): Promise<string> {
  const archiveDir = `${directory}/archive`;
  const archive = async (jobId: string, log: Uint8Array) => {
    const logPath = `${directory}/${jobId}.wal`;
    Deno.writeFileSync(logPath, log);
    await archiveLog({ files: systemFiles, logPath, archiveDir, level: 3, logger: silentLogger });
  };
  await archive("sent", buildLog({ jobId: "sent", firstMs: 5000 }));
  await archive("pending", buildLog({ jobId: "pending", acknowledged: 2 }));
  await archive("failed", buildLog({ jobId: "failed", failLast: true }));
  const put = (name: string, bytes: Uint8Array) => Deno.writeFileSync(`${archiveDir}/${name}`, bytes);
  put("foreign.wal.zst", (await runZstd(["-c"], buildLog())).stdout);
  put("foreign-pending.wal.zst", (await runZstd(["-c"], buildLog({ acknowledged: 0 }))).stdout);
  put("torn.wal.zst", (await runZstd(["-c"], buildLog().subarray(0, -1))).stdout);
  put("cut.wal.zst", (await runZstd(["-c"], buildLog())).stdout.slice(0, -1));
  put("rubbish.wal.zst", noise(100));
  put("notes.txt", noise(10));
  put(".hidden.wal.zst", noise(10));
  Deno.mkdirSync(`${archiveDir}/directory.wal.zst`);
  return archiveDir;
}

async function planFor(
  archiveDir: string,
  policy: { olderThanMs: number },
  nowMs: number,
): Promise<RetentionPlan> {
  return planRetention(
    await Array.fromAsync(readRetentionEntries(systemFiles, archiveDir, policy, nowMs)),
    policy,
    nowMs,
  );
}

Deno.test("archives are listed by name, job and size, without hidden files and directories", async () => {
  await withDirectory(async (directory) => {
    const archiveDir = await fill(directory);
    Deno.utimeSync(`${archiveDir}/sent.wal.zst`, 5, 5);
    const found = await Array.fromAsync(listArchives(systemFiles, archiveDir));
    deepStrictEqual(found.map(({ name }) => name).sort(), [
      "cut.wal.zst",
      "failed.wal.zst",
      "foreign-pending.wal.zst",
      "foreign.wal.zst",
      "pending.wal.zst",
      "rubbish.wal.zst",
      "sent.wal.zst",
      "torn.wal.zst",
    ]);
    const path = `${archiveDir}/sent.wal.zst`;
    deepStrictEqual(found.find(({ name }) => name === "sent.wal.zst"), {
      name: "sent.wal.zst",
      path,
      jobId: "sent",
      bytes: Deno.statSync(path).size,
      mtimeMs: 5000,
    });
    deepStrictEqual(await Array.fromAsync(listArchives(systemFiles, `${directory}/none`)), []);
  });
});

Deno.test("retention looks into archives of any origin, and deletes what it may", async () => {
  await withDirectory(async (directory) => {
    const archiveDir = await fill(directory);
    const nowMs = Date.now() + 60_000;
    const plan = await planFor(archiveDir, { olderThanMs: 10_000 }, nowMs);
    deepStrictEqual(outline(plan), {
      delete: ["foreign.wal.zst age", "sent.wal.zst age"],
      keep: [
        "cut.wal.zst unknown",
        "failed.wal.zst failed",
        "foreign-pending.wal.zst pending",
        "pending.wal.zst pending",
        "rubbish.wal.zst unknown",
        "torn.wal.zst unknown",
      ],
    });
    const expected = {
      deleted: 2,
      deletedBytes: plan.delete.reduce((sum, { entry }) => sum + entry.bytes, 0),
      failures: [],
    };
    deepStrictEqual(
      await applyRetention(plan, { files: systemFiles, dryRun: true, logger: silentLogger }),
      expected,
    );
    strictEqual((await Array.fromAsync(listArchives(systemFiles, archiveDir))).length, 8);
    const synced: string[] = [];
    const files = {
      ...systemFiles,
      syncDirectory: (path: string) => Promise.resolve(void synced.push(path)),
    };
    deepStrictEqual(
      await applyRetention(plan, { files, logger: silentLogger }),
      expected,
    );
    deepStrictEqual(synced, [archiveDir]);
    strictEqual((await Array.fromAsync(listArchives(systemFiles, archiveDir))).length, 6);
  });
});

Deno.test("the age is that of the last event where it is known, and of the file where it is not", async () => {
  await withDirectory(async (directory) => {
    const archiveDir = await fill(directory);
    for (const { path } of await Array.fromAsync(listArchives(systemFiles, archiveDir))) {
      Deno.utimeSync(path, 7, 7);
    }
    const entries = await Array.fromAsync(
      readRetentionEntries(systemFiles, archiveDir, { olderThanMs: 1e15 }, NOW),
    );
    const basis = (name: string) => entries.find((entry) => entry.name === name)?.ageBasisMs;
    deepStrictEqual([basis("sent.wal.zst"), basis("foreign.wal.zst")], [5005, 7000]);
    // Too young to be deleted in any case, so it was not decompressed.
    strictEqual(entries.find((entry) => entry.name === "foreign.wal.zst")?.pending, undefined);
  });
});

Deno.test("one archive that cannot be removed does not keep the others", async () => {
  await withDirectory(async (directory) => {
    const archiveDir = await fill(directory);
    const plan = await planFor(archiveDir, { olderThanMs: 0 }, Date.now() + 1000);
    // Somebody puts another file in its place.
    Deno.writeTextFileSync(`${archiveDir}/sent.wal.zst`, "something else");
    const { deleted, failures } = await applyRetention(plan, { files: systemFiles, logger: silentLogger });
    strictEqual(deleted, 1);
    deepStrictEqual(failures.map(({ entry, error }) => [entry.name, String(error)]), [
      ["sent.wal.zst", "Error: it has changed since it was looked at"],
    ]);
    ok(Deno.statSync(`${archiveDir}/sent.wal.zst`).isFile);
  });
});
