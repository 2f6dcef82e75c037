/**
 * Runs the compiled binary as its users do: real processes, files and sockets, in a directory of its own.
 */
import { within } from "./within.ts";

export const BINARY = new URL("../../dist/airunner", import.meta.url).pathname;

/** No command of a test takes longer, on however busy a machine. */
const RUN_MS_MAX = 240_000;

export interface RunResult {
  code: number;
  stdout: Uint8Array<ArrayBuffer>;
  stderr: string;
  stderrBytes: Uint8Array<ArrayBuffer>;
}

export interface RunOptions {
  cwd?: string;
  env?: Record<string, string>;
  stdin?: Uint8Array;
  /** A program with arguments that runs the binary, such as setpriv. */
  wrapper?: string[];
  /** How many files and sockets it may have open. */
  descriptors?: number;
}

/** A temporary home for one test: nothing of the machine's own settings or data reaches the binary. */
export class Sandbox implements AsyncDisposable {
  readonly directory = Deno.makeTempDirSync({ prefix: "airunner-test-" });
  readonly dataDir = `${this.directory}/data`;
  readonly #running = new Set<Program>();

  /** Another binary only where two of them are measured beside each other. */
  constructor(readonly binary: string = BINARY) {}

  /** Runs `airunner ARGS…` to its end, and kills it when that does not come. */
  async run(args: string[], options: RunOptions = {}): Promise<RunResult> {
    const child = this.#command(args, options).spawn();
    const feed = async () => {
      if (options.stdin === undefined) return;
      const writer = child.stdin.getWriter();
      await writer.write(options.stdin);
      await writer.close();
    };
    const ended = Promise.all([child.output(), feed()]);
    const [output] = await within(ended, () => `airunner ${args.join(" ")}`, RUN_MS_MAX).catch((error) => {
      child.kill("SIGKILL");
      throw error;
    });
    return {
      code: output.code,
      stdout: output.stdout,
      stderr: new TextDecoder().decode(output.stderr),
      stderrBytes: output.stderr,
    };
  }

  /** Starts `airunner ARGS…`; it is killed when the sandbox goes, if it still runs then. */
  start(args: string[], options: RunOptions = {}): Program {
    const program = new Program(this.#command(args, options).spawn());
    this.#running.add(program);
    return program;
  }

  #command(args: string[], options: RunOptions): Deno.Command {
    const limit = options.descriptors === undefined
      ? []
      : ["sh", "-c", `ulimit -n ${options.descriptors} && exec "$0" "$@"`];
    const [program, ...before] = [...limit, ...options.wrapper ?? [], this.binary];
    return new Deno.Command(program, {
      args: [...before, ...args],
      cwd: options.cwd ?? this.directory,
      clearEnv: true,
      env: {
        PATH: Deno.env.get("PATH") ?? "/usr/bin:/bin",
        HOME: this.directory,
        AIRUNNER_DATA_DIR: this.dataDir,
        ...options.env,
      },
      stdin: options.stdin === undefined ? "null" : "piped",
      stdout: "piped",
      stderr: "piped",
    });
  }

  /** Starts a server whose database outlives it, and resolves once it listens. */
  async startServer(port = 0): Promise<{ program: Program; url: string; port: number }> {
    const program = this.start([
      "server",
      `--listen=127.0.0.1:${port}`,
      `--data=${this.directory}/server.db`,
    ]);
    const [, url] = await program.waitFor(/Listening on (http:\/\/127\.0\.0\.1:\d+)/);
    return { program, url, port: Number(new URL(url).port) };
  }

  /** Ends what still runs, waits for it and removes the directory. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const program of this.#running) await program.kill("SIGKILL");
    Deno.removeSync(this.directory, { recursive: true });
  }
}

/** How a started program ended. */
export type EndResult = Omit<RunResult, "stderrBytes">;

/** A running binary, whose standard error is read line by line as it comes. */
export class Program {
  readonly status: Promise<Deno.CommandStatus>;
  /** All that it has written to standard error so far. */
  stderr = "";
  readonly #child: Deno.ChildProcess;
  readonly #stdout: Promise<Uint8Array<ArrayBuffer>>;
  readonly #stderrDone: Promise<void>;
  #wake: () => void = () => {};
  #ended = false;

  constructor(child: Deno.ChildProcess) {
    this.#child = child;
    this.status = child.status;
    this.#stdout = new Response(child.stdout).bytes();
    this.#stderrDone = this.#readStderr();
  }

  get pid(): number {
    return this.#child.pid;
  }

  /**
   * Resolves when standard error matches, from the character `from` on; rejects with all of it when the
   * program ends before.
   */
  async waitFor(pattern: RegExp, from = 0): Promise<RegExpExecArray> {
    for (;;) {
      const match = pattern.exec(this.stderr.slice(from));
      if (match !== null) return match;
      if (this.#ended) throw new Error(`The program ended before it wrote ${pattern}:\n${this.stderr}`);
      await new Promise<void>((resolve) => {
        const before = this.#wake;
        this.#wake = () => {
          before();
          resolve();
        };
      });
    }
  }

  signal(signal: Deno.Signal): void {
    this.#child.kill(signal);
  }

  /** Signals it, if it still runs, and waits for its end. */
  async kill(signal: Deno.Signal): Promise<EndResult> {
    try {
      this.#child.kill(signal);
    } catch (error) {
      // It has ended already, which is what was wanted.
      if (!(error instanceof TypeError)) throw error;
    }
    return await this.end();
  }

  /** Waits for its end. */
  async end(): Promise<EndResult> {
    const [status, stdout] = await Promise.all([this.status, this.#stdout, this.#stderrDone]);
    return { code: status.code, stdout, stderr: this.stderr };
  }

  async #readStderr(): Promise<void> {
    for await (const text of this.#child.stderr.pipeThrough(new TextDecoderStream())) {
      this.stderr += text;
      this.#notify();
    }
    this.#ended = true;
    this.#notify();
  }

  #notify(): void {
    const wake = this.#wake;
    this.#wake = () => {};
    wake();
  }
}
