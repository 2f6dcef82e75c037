import assert from "node:assert/strict";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { JobState } from "../../events/gen/job/v1/job_pb.ts";
import { systemHost } from "../../platform/system_host.ts";
import { ManualClock } from "../../../tests/support/manual_clock.ts";
import { TestServer } from "../../../tests/support/running_server.ts";
import { collect, type ServerClient } from "../../../tests/support/server_client.ts";

/** Every page, as the ids on it. */
async function allPages(
  control: ServerClient["control"],
  request: Parameters<ServerClient["control"]["listJobs"]>[0],
  between: () => Promise<unknown> = () => Promise.resolve(),
): Promise<string[][]> {
  const pages: string[][] = [];
  for (let pageToken = "";;) {
    const { jobs, nextPageToken } = await control.listJobs({ ...request, pageToken });
    pages.push(jobs.map(({ jobId }) => jobId));
    if (nextPageToken === "") return pages;
    pageToken = nextPageToken;
    await between();
  }
}

Deno.test("pages neither repeat nor skip a job while new ones come and old ones change", async () => {
  // All jobs of the same millisecond: their order is that in which they came.
  await using server = await TestServer.start({ host: { ...systemHost, clock: new ManualClock() } });
  const ids: string[] = [];
  for (let count = 0; count < 10; count++) ids.push(await server.enqueue());
  const newestFirst = ids.toReversed();
  const pages = await allPages(server.control, { pageSize: 3 }, async () => {
    await server.enqueue();
    await server.claim();
  });
  assert.deepEqual(pages.map(({ length }) => length), [3, 3, 3, 1]);
  assert.deepEqual(pages.flat(), newestFirst);
  assert.deepEqual(await allPages(server.control, { pageSize: 13 }), [
    (await server.control.listJobs({})).jobs.map(({ jobId }) => jobId),
  ]);
});

Deno.test("jobs are found by queue, state, command line, metadata and age", async () => {
  const clock = new ManualClock();
  await using server = await TestServer.start({ host: { ...systemHost, clock } });
  const enqueue = async (queue: string, command: string, args: string[], metadata = {}) => {
    clock.advance(1_000);
    return (await server.jobs.enqueueJob({ queue, jobParams: { command, args, metadata } })).jobId;
  };
  const startMs = clock.nowMs();
  const build = await enqueue("linux", "make", ["-j4", "all"], { branch: "main", "airunner.label": "x" });
  const test = await enqueue("linux", "make", ["test"], { branch: "dev" });
  const lint = await enqueue("mac", "npm", ["run", "lint", "100%"], { branch: "main" });
  await collect(server.jobs.dequeueJob({ queue: "mac" }));
  const at = (seconds: number) => timestampFromMs(startMs + seconds * 1_000);
  const table: [Parameters<typeof server.control.listJobs>[0], string[]][] = [
    [{}, [lint, test, build]],
    [{ queue: "linux" }, [test, build]],
    [{ queue: "windows" }, []],
    [{ states: [JobState.RUNNING] }, [lint]],
    [{ states: [JobState.RUNNING, JobState.SCHEDULED] }, [lint, test, build]],
    [{ states: [JobState.CANCELLED] }, []],
    [{ search: "make" }, [test, build]],
    [{ search: "make -j4 all" }, [build]],
    [{ search: "100%" }, [lint]],
    [{ search: "10_%" }, []],
    [{ search: test.slice(-8) }, [test]],
    [{ search: "nothing like it" }, []],
    [{ metadata: { branch: "main" } }, [lint, build]],
    [{ metadata: { branch: "main", "airunner.label": "x" } }, [build]],
    [{ metadata: { branch: "main", "airunner.label": "y" } }, []],
    [{ createdFrom: at(2) }, [lint, test]],
    [{ createdBefore: at(2) }, [build]],
    [{ createdFrom: at(2), createdBefore: at(3) }, [test]],
    [{ queue: "linux", search: "make", metadata: { branch: "dev" }, states: [JobState.SCHEDULED] }, [test]],
  ];
  for (const [request, ids] of table) {
    const { jobs } = await server.control.listJobs(request);
    assert.deepEqual(jobs.map(({ jobId }) => jobId), ids, JSON.stringify(Object.keys(request)));
    assert.deepEqual((await allPages(server.control, { ...request, pageSize: 1 })).flat(), ids);
  }
});

Deno.test("a page of jobs with long parameters ends earlier, and none is left out", async () => {
  await using server = await TestServer.start();
  const ids: string[] = [];
  const args = Array(15).fill("x".repeat(131_000));
  for (let count = 0; count < 20; count++) {
    ids.push((await server.jobs.enqueueJob({ jobParams: { command: "make", args } })).jobId);
  }
  const pages = await allPages(server.control, { pageSize: 500 });
  assert.ok(pages.length > 1, "40 MB are no one page");
  assert.deepEqual(pages.flat(), ids.toReversed());
});
