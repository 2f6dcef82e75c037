/**
 * This process as the system has it: its standard streams, its signals, and what ends it.
 */
import type { PassedSignal } from "./processes.ts";

export interface OutputStream {
  /** Writes some of `bytes` and returns how many; refused with BrokenPipe when its reader has gone. */
  write(bytes: Uint8Array): Promise<number>;
  readonly isTerminal: boolean;
  /** Undefined where there is no terminal, and for one that does not tell its size, such as a serial line. */
  readonly columns: number | undefined;
}

export function standardInput(): {
  readonly bytes: ReadableStream<Uint8Array>;
  readonly isTerminal: boolean;
} {
  return { bytes: Deno.stdin.readable, isTerminal: Deno.stdin.isTerminal() };
}

export function standardOutput(name: "stdout" | "stderr"): OutputStream {
  const stream = Deno[name];
  const isTerminal = stream.isTerminal();
  return {
    write: (bytes) => stream.write(bytes),
    isTerminal,
    columns: isTerminal ? terminalColumns() : undefined,
  };
}

function terminalColumns(): number | undefined {
  try {
    return Deno.consoleSize().columns || undefined;
  } catch {
    // As if there were no terminal: nothing is wrapped.
    return undefined;
  }
}

/** Calls `handler` at each such signal, until the returned function is called. */
export function onSignal(name: PassedSignal, handler: () => void): () => void {
  Deno.addSignalListener(name, handler);
  return () => Deno.removeSignalListener(name, handler);
}

/**
 * Tells `handler` of the first error or rejection that nobody handles, and ends the process with the exit
 * code that it returns: going on would mean to go on in a state that nobody has thought of. Until the
 * returned function is called.
 */
export function onCrash(handler: (kind: "error" | "rejection", reason: unknown) => number): () => void {
  const onError = (event: ErrorEvent) => {
    event.preventDefault();
    Deno.exit(handler("error", event.error ?? event.message));
  };
  const onRejection = (event: PromiseRejectionEvent) => {
    event.preventDefault();
    Deno.exit(handler("rejection", event.reason));
  };
  globalThis.addEventListener("error", onError);
  globalThis.addEventListener("unhandledrejection", onRejection);
  return () => {
    globalThis.removeEventListener("error", onError);
    globalThis.removeEventListener("unhandledrejection", onRejection);
  };
}
