/**
 * The real outside world: this process's streams, environment and signals.
 */
import { onCrash, onSignal, standardInput, standardOutput } from "../../platform/own_process.ts";
import { PASSED_SIGNALS } from "../../platform/processes.ts";
import { systemHost } from "../../platform/system_host.ts";
import type { Context, SignalName, Signals } from "../context.ts";
import { Output } from "../../screens/output.ts";

const TAKEN: readonly SignalName[] = ["SIGINT", "SIGTERM"];

export interface SystemContext {
  readonly context: Context;
  /** Runs what `atExit` collected, the last first. */
  cleanUp(): void;
}

export function createSystemContext(args: readonly string[]): SystemContext {
  const atExit: (() => void)[] = [];
  const stdin = standardInput();
  const { clock } = systemHost;
  return {
    context: {
      ...systemHost,
      args,
      stdin: stdin.bytes,
      stdinIsTerminal: stdin.isTerminal,
      stdout: new Output(standardOutput("stdout"), clock),
      stderr: new Output(standardOutput("stderr"), clock),
      signals: createSignals(),
      onCrash,
      atExit: (action) => void atExit.push(action),
    },
    cleanUp() {
      for (let action; (action = atExit.pop());) action();
    },
  };
}

function createSignals(): Signals {
  const handlers: ((name: SignalName) => void)[] = [];
  for (const name of TAKEN) onSignal(name, () => handlers.at(-1)?.(name));
  const take: Signals["take"] = (handler) => {
    handlers.push(handler);
    return () => {
      const at = handlers.lastIndexOf(handler);
      if (at >= 0) handlers.splice(at, 1);
    };
  };
  return {
    take,
    takeHangup: (handler) => onSignal("SIGHUP", handler),
    takeAll(handler) {
      const others = PASSED_SIGNALS.filter((name) => !TAKEN.some((taken) => taken === name));
      const releases = [take(handler), ...others.map((name) => onSignal(name, () => handler(name)))];
      return () => releases.forEach((release) => release());
    },
  };
}
