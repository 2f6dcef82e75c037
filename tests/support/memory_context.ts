/**
 * A context without a process, for tests: outputs that can be read, signals that can be sent, a clock that
 * stands still.
 */
import type { Context, SignalName } from "../../src/cli/context.ts";
import { Output } from "../../src/screens/output.ts";
import { run } from "../../src/cli/run.ts";
import { systemNetwork } from "../../src/platform/system_network.ts";
import { systemHost } from "../../src/platform/system_host.ts";

export interface MemoryOptions {
  env?: Record<string, string>;
  stdin?: Uint8Array | string;
  isTerminal?: boolean;
  columns?: number;
  /** Unix milliseconds at which the clock stands. */
  nowMs?: number;
  /** As if the reader of stdout had gone. */
  stdoutIsClosed?: boolean;
}

export interface MemoryContext {
  readonly context: Context;
  stdout(): Uint8Array;
  stderr(): string;
  signal(name: SignalName): void;
  /** Runs what `atExit` collected. */
  cleanUp(): void;
}

/** An hour into 2026. The vectors' first event is from its first second. */
export const TEST_NOW_MS = Date.UTC(2026, 0, 1, 1);

export function createMemoryContext(args: readonly string[], options: MemoryOptions = {}): MemoryContext {
  const { env = {}, stdin = "", isTerminal = false, columns, nowMs = TEST_NOW_MS } = options;
  const chunks = { stdout: [] as Uint8Array[], stderr: [] as Uint8Array[] };
  const handlers: ((name: SignalName) => void)[] = [];
  const actions: (() => void)[] = [];
  const clock = { nowMs: () => nowMs, elapsedMs: () => 0, sleep: untilAborted };
  const outputTo = (name: "stdout" | "stderr") =>
    new Output({
      write(bytes) {
        if (name === "stdout" && options.stdoutIsClosed) return Promise.reject(new Deno.errors.BrokenPipe());
        chunks[name].push(bytes.slice());
        return Promise.resolve(bytes.length);
      },
      isTerminal,
      columns,
    }, clock);
  return {
    context: {
      args,
      ...systemHost,
      env: (name) => ({ HOME: "/nonexistent", ...env })[name],
      environment: () => env,
      hostname: () => "test-host",
      stdin: ReadableStream.from([typeof stdin === "string" ? new TextEncoder().encode(stdin) : stdin]),
      stdinIsTerminal: isTerminal,
      stdout: outputTo("stdout"),
      stderr: outputTo("stderr"),
      clock,
      random: () => 0.5,
      randomId: () => crypto.randomUUID(),
      network: systemNetwork,
      signals: {
        take(handler) {
          handlers.push(handler);
          return () => void handlers.splice(handlers.indexOf(handler), 1);
        },
        takeHangup: () => () => {},
        takeAll: () => () => {},
      },
      onCrash: () => () => {},
      atExit: (action) => void actions.push(action),
    },
    stdout: () => joined(chunks.stdout),
    stderr: () => new TextDecoder().decode(joined(chunks.stderr)),
    signal: (name) => handlers.at(-1)?.(name),
    cleanUp: () => {
      for (let action; (action = actions.pop());) action();
    },
  };
}

export interface RunResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stdoutBytes: Uint8Array;
  readonly stderr: string;
}

/** Runs a command line to its end. */
export async function runInMemory(args: readonly string[], options: MemoryOptions = {}): Promise<RunResult> {
  const memory = createMemoryContext(args, options);
  let log = "";
  const exitCode = await run(memory.context, (line) => void (log += line + "\n"));
  memory.cleanUp();
  const stdoutBytes = memory.stdout();
  return {
    exitCode,
    stdoutBytes,
    stdout: new TextDecoder().decode(stdoutBytes),
    stderr: memory.stderr() + log,
  };
}

/** Time does not pass by itself. */
function untilAborted(durationMs: number, signal?: AbortSignal): Promise<void> {
  // Others only get a turn.
  if (durationMs === 0) return new Promise((resolve) => setTimeout(resolve));
  return new Promise((resolve) => {
    if (signal?.aborted) resolve();
    else signal?.addEventListener("abort", () => resolve(), { once: true });
  });
}

function joined(chunks: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}
