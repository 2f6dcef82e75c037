/**
 * What survives a power cut, on a real ext4 file system: it lies in a file, and the kernel's shutdown call
 * throws away everything that was not synced, as if the machine had lost its power.
 */
import assert from "node:assert/strict";
import { Log } from "../src/wal/log.ts";
import { systemHost } from "../src/platform/system_host.ts";

const WRITER = new URL("support/wal_writer.ts", import.meta.url).pathname;
const CUTS = 5;
const DISK_BYTES = 48 * 1024 * 1024;

async function run(command: string, ...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(command, { args, stdin: "null" }).output();
  assert.ok(success, `${command} ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
}

/** A disk that can lose its power. */
class Disk implements AsyncDisposable {
  readonly #directory = Deno.makeTempDirSync({ prefix: "airunner-disk-" });
  readonly path = `${this.#directory}/mounted`;
  #mounted = false;

  async format(): Promise<void> {
    Deno.mkdirSync(this.path);
    using image = Deno.openSync(`${this.#directory}/image`, { create: true, write: true });
    image.truncateSync(DISK_BYTES);
    await run("mkfs.ext4", "-q", `${this.#directory}/image`);
  }

  async mount(): Promise<void> {
    await run("mount", "-o", "loop", `${this.#directory}/image`, this.path);
    this.#mounted = true;
  }

  async unmount(): Promise<void> {
    await run("umount", this.path);
    this.#mounted = false;
  }

  cutPower(): void {
    // EXT4_IOC_SHUTDOWN with EXT4_GOING_FLAGS_NOLOGFLUSH: not even the journal is written.
    const SHUTDOWN = 0x8004587dn;
    const NO_LOG_FLUSH = new Uint8Array(new Uint32Array([2]).buffer);
    const libc = Deno.dlopen("libc.so.6", {
      open: { parameters: ["buffer", "i32"], result: "i32" },
      ioctl: { parameters: ["i32", "u64", "buffer"], result: "i32" },
      close: { parameters: ["i32"], result: "i32" },
    });
    const descriptor = libc.symbols.open(new TextEncoder().encode(`${this.path}\0`), 0);
    const result = libc.symbols.ioctl(descriptor, SHUTDOWN, NO_LOG_FLUSH);
    libc.symbols.close(descriptor);
    libc.close();
    assert.equal(result, 0, "the file system cannot be shut down");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#mounted) await this.unmount();
    Deno.removeSync(this.#directory, { recursive: true });
  }
}

/**
 * Appends until the power is cut after `appends` resolved appends, and gives the sequences that had resolved.
 */
async function writeUntilCut(disk: Disk, appends: number): Promise<bigint[]> {
  const writer = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", WRITER, disk.path, "1000000"],
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const durable: bigint[] = [];
  let rest = "";
  for await (const text of writer.stdout.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      const sequence = /^durable (\d+)$/.exec(line)?.[1];
      // What the writer says after the cut is said of a dead disk: its syncs fail, so it resolves nothing
      // more.
      if (sequence !== undefined) durable.push(BigInt(sequence));
      if (durable.length === appends) {
        disk.cutPower();
        appends = -1;
        writer.kill("SIGKILL");
      }
    }
  }
  await writer.status;
  await writer.stdin.abort().catch(() => {});
  return durable;
}

Deno.test("a power cut loses no event whose append had resolved, nor the log's name", async () => {
  await using disk = new Disk();
  await disk.format();
  const durable: bigint[] = [];
  for (let cut = 0; cut < CUTS; cut++) {
    await disk.mount();
    // The first cut comes after the very first event: file and directory entry are as new as can be.
    const appends = cut === 0 ? 1 : 1 + Math.floor(Math.random() * 300);
    durable.push(...await writeUntilCut(disk, appends));
    await disk.unmount();

    await disk.mount();
    const found = new Set<bigint>();
    const log = await Log.open(`${disk.path}/crash.wal`, {
      ...systemHost,
      onRecord: ({ sequence }, kind) => kind === "event" && found.add(sequence),
    });
    await log.close();
    for (const sequence of durable) {
      assert.ok(found.has(sequence), `event ${sequence} is gone after cut ${cut + 1}`);
    }
    await disk.unmount();
  }
  assert.ok(durable.length >= CUTS);
});
