/**
 * The real outside world: this process's streams, environment and signals.
 */
import { systemClock } from "../../platform/clock.ts";
import { systemRandom } from "../../platform/random.ts";
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
      args,
      env: (name) => Deno.env.get(name),
      environment: () => Deno.env.toObject(),
      hostname: () => Deno.hostname(),
      stdin: Deno.stdin.readable,
      stdinIsTerminal: Deno.stdin.isTerminal(),
      stdout: outputOf(Deno.stdout),
      stderr: outputOf(Deno.stderr),
      clock: systemClock,
      random: systemRandom,
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
