/**
 * A file system of a few megabytes in memory, that can really be full.
 */
import assert from "node:assert/strict";

export class SmallDisk implements AsyncDisposable {
  private constructor(readonly path: string) {}

  /** `size` as mount takes it: `6m`. */
  static async mount(size: string): Promise<SmallDisk> {
    const path = Deno.makeTempDirSync({ prefix: "airunner-disk-" });
    const { success, stderr } = await new Deno.Command("mount", {
      args: ["-t", "tmpfs", "-o", `size=${size}`, "airunner-test", path],
    }).output();
    assert.ok(success, `This test mounts a tmpfs, which needs root: ${new TextDecoder().decode(stderr)}`);
    return new SmallDisk(path);
  }

  /** Takes up all space but `freeBytes`. */
  fill(freeBytes: number): void {
    const { path } = this;
    const file = Deno.openSync(`${path}/ballast`, { create: true, append: true });
    const block = new Uint8Array(64 * 1024);
    try {
      for (;;) if (file.writeSync(block) < block.length) break;
    } catch (error) {
      // What was wanted: nothing more fits.
      if (!(error instanceof Error && /os error 28/.test(error.message))) throw error;
    } finally {
      const { size } = file.statSync();
      file.truncateSync(Math.max(0, size - freeBytes));
      file.close();
    }
  }

  /** Gives the space back. */
  clear(): void {
    Deno.removeSync(`${this.path}/ballast`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Deno.Command("umount", { args: ["--lazy", this.path] }).output();
    // Whoever still uses the disk may have made files where it was.
    Deno.removeSync(this.path, { recursive: true });
  }
}
