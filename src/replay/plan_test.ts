import "../../tests/support/loaded_zstd.ts";
import assert from "node:assert/strict";
import { systemFiles } from "../platform/system_files.ts";
import { LogBuilder, TestData } from "../../tests/support/data_directory.ts";
import { restoreArchive } from "../archive/restore.ts";
import { verifyLog } from "../survey/verify.ts";
import { planAgain, planReplay, withoutEarlierStates } from "./plan.ts";

const PENDING = { failed: false, resend: false, sequences: undefined };
const log = () => new LogBuilder("job").start().output("a\n").output("b\n");

Deno.test("replay and verify agree on whether the end of a log is torn", async () => {
  const whole = log().bytes();
  const zeroed = whole.slice().fill(0, whole.length - 8);
  const cases: [bytes: Uint8Array, isTorn: boolean][] = [
    [log().torn(5), true],
    // The disk wrote the front of the last record and not its checksum: verify said torn, and replay damaged.
    [zeroed, true],
    [log().flipped(3), false],
    [log().flipped(2), false],
    [new TextEncoder().encode("no log"), false],
  ];
  const clock = { sleep: () => Promise.resolve() };
  for (const [bytes, isTorn] of cases) {
    using data = new TestData({ "wal/job.wal": bytes });
    const path = data.path("wal/job.wal");
    assert.equal((await verifyLog({ files: systemFiles, clock }, path)).extent?.isTornTail, isTorn);
    const { obstacle } = await planReplay(systemFiles, { path, kind: "log", jobId: "job" }, PENDING);
    assert.equal(obstacle?.kind, isTorn ? undefined : "damaged");
  }
});

Deno.test("an archive that was restored and kept is not sent beside its log, however far that has gone on", async () => {
  const early = log().acknowledge(1n);
  using data = new TestData({ "wal/job.wal": early.bytes() });
  const archivePath = data.path(await data.archive("wal/job.wal"));
  const path = data.path("wal/job.wal");
  await restoreArchive({ files: systemFiles, archivePath, walDir: data.path("wal"), removeArchive: false });
  const plans = async () => {
    const archive = await planReplay(
      systemFiles,
      { path: archivePath, kind: "archive", jobId: "job" },
      PENDING,
    );
    const log = await planReplay(systemFiles, { path, kind: "log", jobId: "job" }, PENDING);
    return (await withoutEarlierStates(systemFiles, [archive, log])).map(({ wanted }) => wanted);
  };
  assert.deepEqual(await plans(), [0, 2]);
  Deno.writeFileSync(path, early.acknowledge(2n).bytes());
  assert.deepEqual(await plans(), [0, 1]);
  // Another log of that job has nothing to do with it.
  Deno.writeFileSync(path, new LogBuilder("job", 2).start().output("x\n").output("b\n").bytes());
  assert.deepEqual(await plans(), [2, 3]);
});

Deno.test("by the time of its turn somebody else may have sent it", async () => {
  using data = new TestData({ "wal/job.wal": log().acknowledge(1n).bytes() });
  const path = data.path("wal/job.wal");
  const plan = await planReplay(systemFiles, { path, kind: "log", jobId: "job" }, PENDING);
  assert.equal((await planAgain(systemFiles, plan, PENDING)).wanted, 2);
  const archivePath = data.path(await data.archive("wal/job.wal"));
  assert.equal((await planAgain(systemFiles, plan, PENDING)).wanted, 0);
  const archive = await planReplay(
    systemFiles,
    { path: archivePath, kind: "archive", jobId: "job" },
    PENDING,
  );
  assert.equal((await planAgain(systemFiles, archive, PENDING)).wanted, 2);
  Deno.removeSync(archivePath);
  data.write("wal/job.wal", log().acknowledge().bytes());
  await data.archive("wal/job.wal");
  assert.equal(
    (await planAgain(systemFiles, archive, PENDING)).wanted,
    0,
    "it came back with everything sent",
  );
  Deno.removeSync(archivePath);
  assert.equal((await planAgain(systemFiles, archive, PENDING)).wanted, 0);
});
