/**
 * A job's events as output: the bytes of its streams to ours, what went wrong around it to stderr.
 */
import { type JobEvent, outputOf, StreamType } from "../events/event.ts";
import { isOurs, OURS } from "../job/job_ending.ts";
import type { Output } from "./output.ts";
import { shown } from "../platform/text.ts";
import { TerminalFilter } from "./terminal_filter.ts";

export interface JobOutputOptions {
  readonly stdout: Output;
  readonly stderr: Output;
  /** Both streams to stdout, byte for byte, in their order. */
  readonly raw: boolean;
}

export class JobOutput {
  readonly #options: JobOutputOptions;
  readonly #filters = new Map<Output, TerminalFilter>();

  constructor(options: JobOutputOptions) {
    this.#options = options;
    for (const output of [options.stdout, options.stderr]) {
      if (!options.raw && output.isTerminal) this.#filters.set(output, new TerminalFilter());
    }
  }

  /** Resolves when the event's output is written: whoever watches sees it at once. */
  async write(event: JobEvent): Promise<void> {
    const { stdout, stderr, raw } = this.#options;
    let last: Output | undefined;
    for (const piece of outputOf(event)) {
      const output = !raw && piece.stream === StreamType.STDERR ? stderr : stdout;
      // On a terminal both streams are one screen, so their order must be kept there too.
      if (last && last !== output) await last.flush();
      last = output;
      await output.write(this.#filters.get(output)?.push(piece.bytes) ?? piece.bytes);
    }
    await last?.flush();
    const error = errorMessageOf(event);
    if (error) {
      // Who speaks is said already where it is the worker's own failure.
      await stderr.write(`${isOurs(error) ? "" : OURS}${shown(error)}\n`);
      await stderr.flush();
    }
  }

  async finish(): Promise<void> {
    for (const [output, filter] of this.#filters) {
      await output.write(filter.finish());
      await output.flush();
    }
  }
}

function errorMessageOf({ eventData }: JobEvent): string | undefined {
  return eventData.case === "processError" || eventData.case === "gitCloneError"
    ? eventData.value.errorMessage
    : undefined;
}
