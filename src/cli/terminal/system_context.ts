/**
 * The real outside world: this process's streams, environment and signals.
 */
import { systemHost } from "../../platform/system_host.ts";
import type { Context, SignalName, Signals } from "../context.ts";
import { Output } from "./output.ts";

export interface SystemContext {
  readonly context: Context;
  /** Runs what `atExit` collected, the last first. */
  cleanUp(): void;
}

export function createSystemContext(args: readonly string[]): SystemContext {
  const atExit: (() => void)[] = [];
  return {
    context: {
      ...systemHost,
      args,
      stdin: Deno.stdin.readable,
      stdinIsTerminal: Deno.stdin.isTerminal(),
      stdout: outputOf(Deno.stdout),
      stderr: outputOf(Deno.stderr),
      signals: createSignals(),
      atExit: (action) => void atExit.push(action),
    },
    cleanUp() {
      for (let action; (action = atExit.pop());) action();
    },
  };
}

function outputOf(stream: typeof Deno.stdout): Output {
  const isTerminal = stream.isTerminal();
  return new Output((bytes) => stream.write(bytes), isTerminal, isTerminal ? terminalColumns() : undefined);
}

function terminalColumns(): number | undefined {
  try {
    return Deno.consoleSize().columns || undefined;
  } catch {
    // A terminal that does not tell its size, such as a serial line: as if there were none.
    return undefined;
  }
}

function createSignals(): Signals {
  const handlers: ((name: SignalName) => void)[] = [];
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(name, () => handlers.at(-1)?.(name));
  }
  return {
    take(handler) {
      handlers.push(handler);
      return () => {
        const at = handlers.lastIndexOf(handler);
        if (at >= 0) handlers.splice(at, 1);
      };
    },
    takeHangup(handler) {
      Deno.addSignalListener("SIGHUP", handler);
      return () => Deno.removeSignalListener("SIGHUP", handler);
    },
  };
}
