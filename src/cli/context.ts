/**
 * What a command may touch of the outside world. Commands get it as an argument, so that tests run them
 * without a process, a terminal or a signal.
 */
import type { Host } from "../platform/host.ts";
import type { PassedSignal } from "../platform/processes.ts";
import type { Output } from "../screens/output.ts";

export type SignalName = "SIGINT" | "SIGTERM";

export interface Signals {
  /**
   * Hands signals to `handler` until the returned function is called. The handler added last gets them alone:
   * a command that knows how to stop takes over from the one that merely exits.
   */
  take(handler: (name: SignalName) => void): () => void;
  /**
   * Calls `handler` at each SIGHUP, until the returned function is called. Without one, SIGHUP ends the
   * program.
   */
  takeHangup(handler: () => void): () => void;
  /**
   * Hands every signal that a command may get through us to `handler`, until the returned function is called.
   */
  takeAll(handler: (name: PassedSignal) => void): () => void;
}

export interface Context extends Host {
  /** The words after the program's name. */
  readonly args: readonly string[];
  readonly stdin: ReadableStream<Uint8Array>;
  readonly stdinIsTerminal: boolean;
  readonly stdout: Output;
  readonly stderr: Output;
  readonly signals: Signals;
  /**
   * Tells `handler` of an error or a rejection that nobody handles, and ends the program with the exit code
   * that it returns. Until the returned function is called.
   */
  onCrash(handler: (kind: "error" | "rejection", reason: unknown) => number): () => void;
  /**
   * Runs when the program ends, in whatever way it can notice: for what must not stay behind, such as
   * temporary files.
   */
  atExit(action: () => void): void;
}
