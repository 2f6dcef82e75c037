/**
 * Answers that grow without end once they are decompressed, on the compiled binary: half a gigabyte of zeros
 * in half a megabyte.
 */
import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { type Program, Sandbox } from "./support/airunner.ts";

/** A gzip file may have any number of members. */
const MEMBER = gzipSync(new Uint8Array(16 * 1024 ** 2));
const MEMBERS = 32;

function bomb(): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(MEMBERS * MEMBER.length);
  for (let n = 0; n < MEMBERS; n++) bytes.set(MEMBER, n * MEMBER.length);
  return bytes;
}

/** The most memory that the process has had, in MiB. */
function peakMemory(pid: number): number {
  const [, kibibytes] = /^VmHWM:\s+(\d+) kB$/m.exec(Deno.readTextFileSync(`/proc/${pid}/status`))!;
  return Number(kibibytes) / 1024;
}

/** An idle worker has 100 MiB, an answer may have 64 MiB, and is in memory twice while it is put together. */
const PEAK_MAX = 400;

/** A server every answer of which is that large, if it is of one of `methods`, and a 503 otherwise. */
async function withBombs(
  contentType: (method: string) => string,
  methods: string[],
  test: (worker: Program, arrived: (method: string) => Promise<void>) => Promise<void>,
  ...args: string[]
): Promise<void> {
  const body = bomb();
  const arrivals = new Map(methods.map((method) => [method, Promise.withResolvers<void>()]));
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
    const method = new URL(request.url).pathname.split("/").at(-1)!;
    await request.arrayBuffer();
    if (!methods.includes(method)) return new Response(null, { status: 503 });
    arrivals.get(method)!.resolve();
    const headers = { "content-encoding": "gzip", "content-type": contentType(method) };
    return new Response(body, { headers });
  });
  try {
    await using sandbox = new Sandbox();
    const worker = sandbox.start([
      "worker",
      `--server=http://127.0.0.1:${server.addr.port}`,
      "--retry-initial-interval=10ms",
      "--retry-max-interval=50ms",
      ...args,
    ]);
    await test(worker, (method) => arrivals.get(method)!.promise);
  } finally {
    await server.shutdown();
  }
}

Deno.test("a unary answer of 512 MiB of zeros is refused before it is in memory, and no end of the worker", async () => {
  await withBombs(() => "application/proto", ["ListJobs"], async (worker, arrived) => {
    await arrived("ListJobs");
    await worker.waitFor(/The answer was refused: it is longer than 64 MiB after decompression/);
    const from = worker.stderr.length;
    await worker.waitFor(/longer than 64 MiB after decompression/, from);
    assert.ok(peakMemory(worker.pid) < PEAK_MAX, `${peakMemory(worker.pid)} MiB`);
  }, "--once");
});

Deno.test("a stream of 512 MiB of zeros is not read to its end", async () => {
  await withBombs(() => "application/connect+proto", ["DequeueJob"], async (worker, arrived) => {
    await arrived("DequeueJob");
    await worker.waitFor(/Failed to take jobs - retrying.*An answer has no job in it/);
    assert.ok(peakMemory(worker.pid) < PEAK_MAX, `${peakMemory(worker.pid)} MiB`);
  });
});
