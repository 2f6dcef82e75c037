/**
 * Faults in the system calls of a program that runs already, as strace injects them from the moment it is
 * attached.
 */
import { within } from "./within.ts";

export class Strace implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #said: Promise<void>;

  private constructor(child: Deno.ChildProcess, said: Promise<void>) {
    this.#child = child;
    this.#said = said;
  }

  /**
   * Attaches to all threads of a process, and resolves once they are. `args` are strace's own, such as
   * `["--inject=statfs:error=EIO"]`; only the calls that they name are affected.
   */
  static async attach(pid: number, args: readonly string[]): Promise<Strace> {
    const child = new Deno.Command("strace", {
      args: ["-f", "-p", `${pid}`, "-o", "/dev/null", ...args],
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    const attached = Promise.withResolvers<void>();
    let text = "";
    const said = (async () => {
      for await (const piece of child.stderr.pipeThrough(new TextDecoderStream())) {
        text += piece;
        if (/attached/.test(text)) attached.resolve();
      }
      attached.reject(new Error(`strace ended: ${text}`));
    })();
    await within(attached.promise, () => `strace is attached; it has said: ${text}`);
    return new Strace(child, said);
  }

  /** Detaches; the program goes on without faults. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGINT");
    } catch (error) {
      // It has ended with the program, which is as good.
      if (!(error instanceof TypeError)) throw error;
    }
    await Promise.all([this.#child.status, this.#said]);
  }
}
