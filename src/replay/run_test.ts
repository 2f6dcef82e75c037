import assert from "node:assert/strict";
import { USUAL_BACKOFF } from "../setup/backoff.ts";
import { LogBuilder, TestData } from "../../tests/support/data_directory.ts";
import { createMemoryContext } from "../../tests/support/memory_context.ts";
import type { Files } from "../platform/files.ts";
import { silentLogger } from "../platform/logging/logger.ts";
import { systemFiles } from "../platform/system_files.ts";
import { planReplay } from "./plan.ts";
import type { Replayed } from "./replayed.ts";
import { ReplayRun } from "./run.ts";

const PENDING = { failed: false, resend: false, sequences: undefined };

/** Nobody listens there: whoever gets as far as to call the server is told so. */
const NOBODY = "http://127.0.0.1:1";

async function replay(data: TestData, files: Files): Promise<Replayed> {
  const { context } = createMemoryContext([]);
  const run = new ReplayRun({
    context: { ...context, files },
    settings: {
      server: NOBODY,
      credential: undefined,
      dataDir: data.directory,
      requestTimeout: 30_000,
      walDir: data.path("wal"),
      archiveDir: data.path("archive"),
      archiveOnComplete: true,
      adopt: "own",
      compressionLevel: 3,
    },
    selection: PENDING,
    eventsPerSecondMax: undefined,
    logger: silentLogger,
    progress: { show: () => Promise.resolve(), clear: () => Promise.resolve() },
    backoff: USUAL_BACKOFF,
    signal: new AbortController().signal,
  });
  const target = { path: data.path("wal/job.wal"), kind: "log", jobId: "job" } as const;
  try {
    return await run.replay(await planReplay(files, target, PENDING));
  } finally {
    run.close();
  }
}

Deno.test("a log of which the table of locks alone says that it is in use is sent; one that is in use is not", async () => {
  using data = new TestData({ "wal/job.wal": new LogBuilder("job").start().output("a\n").bytes() });
  const owned = { isLocked: () => true, ownerOf: () => ({ pid: 4711 }) };
  const files: Files = { ...systemFiles, lockTable: () => owned };
  const sent = await replay(data, files);
  assert.deepEqual([sent.end, sent.plan.obstacle, sent.plan.wanted], ["unreachable", undefined, 2]);
  const writer = await systemFiles.open(data.path("wal/job.wal"));
  const left = await replay(data, files);
  assert.deepEqual([left.end, left.plan.obstacle], ["obstacle", { kind: "in_use", pid: 4711 }]);
  writer.close();
});
