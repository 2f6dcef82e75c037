/**
 * Processes whose output is shown as it comes. A chunk is shown before it is recorded: whoever watches a
 * command sees it as fast as without us, a disk that is slow, full or gone takes nothing from what is seen,
 * and what is seen and not yet durable is no more than the flush interval's worth.
 *
 *     process runs    read a chunk -> shown -> handed on to be recorded -> the next is read
 *     it has ended    what its pipes still hold is handed on at once, and shown at the reader's pace
 *     nobody reads    the pipe is closed, so that the command gets SIGPIPE, as it would without us
 */
import type { Processes, ProcessExit } from "../platform/processes.ts";

/** Shows bytes, and resolves to false when their reader has gone, or they cannot be shown. */
export type Show = (bytes: Uint8Array) => Promise<boolean>;

export interface PassThrough {
  /** Starts processes on our own standard input, and shows what they write. */
  readonly processes: Processes;
  /** Resolves when everything that was read is shown, or its reader has gone. */
  shown(): Promise<void>;
}

export function passThrough(
  processes: Processes,
  show: { readonly stdout: Show; readonly stderr: Show },
): PassThrough {
  const pending: (() => Promise<unknown>)[] = [];
  return {
    processes: {
      ...processes,
      spawn(options) {
        const child = processes.spawn({ ...options, readsOurInput: true });
        const [stdout, stderr] = [
          new ShownPipe(child.stdout, show.stdout, child.exited),
          new ShownPipe(child.stderr, show.stderr, child.exited),
        ];
        pending.push(() => stdout.shown(), () => stderr.shown());
        return { ...child, stdout: stdout.readable, stderr: stderr.readable };
      },
    },
    async shown() {
      await Promise.all(pending.map((each) => each()));
    },
  };
}

class ShownPipe {
  readonly readable: ReadableStream<Uint8Array>;
  #showing: Promise<boolean> = Promise.resolve(true);

  constructor(pipe: ReadableStream<Uint8Array>, show: Show, exited: Promise<ProcessExit>) {
    const reader = pipe.getReader();
    const ended = exited.then(() => true, () => true);
    this.readable = new ReadableStream<Uint8Array>({
      pull: async (controller) => {
        const { done, value } = await reader.read();
        if (done) return controller.close();
        this.#showing = this.#showing.then((isRead) => isRead && show(value));
        // Nothing more can come of a process that has ended than its pipes hold, so that much may wait here.
        const goesOn = await Promise.race([this.#showing, ended]);
        controller.enqueue(value);
        if (goesOn) return;
        controller.close();
        await reader.cancel();
      },
      cancel: (reason) => reader.cancel(reason),
    }, { highWaterMark: 0 });
  }

  async shown(): Promise<void> {
    await this.#showing;
  }
}

/** Where a command's output goes, and our own lines among it. */
export interface Screen {
  write(bytes: Uint8Array | string): Promise<void>;
  flush(): Promise<void>;
}

/** One screen: whole chunks, one after the other, whoever writes them. Pipes take parts of a write. */
export class SharedScreen {
  readonly #screen: Screen;
  readonly #isGone: (error: unknown) => boolean;
  #tail: Promise<unknown> = Promise.resolve();

  /** `isGone`: whether an error says that nobody reads any more. */
  constructor(screen: Screen, isGone: (error: unknown) => boolean) {
    this.#screen = screen;
    this.#isGone = isGone;
  }

  /**
   * Resolves to false when nobody reads any more. Rejects with any other error, also for what comes after.
   */
  show(bytes: Uint8Array | string): Promise<boolean> {
    const shown = this.#tail.then(() => this.#write(bytes));
    // What comes next is tried for itself.
    this.#tail = shown.catch(() => {});
    return shown;
  }

  /** Resolves when everything is shown that was given by now, or could not be. */
  async settled(): Promise<void> {
    await this.#tail;
  }

  async #write(bytes: Uint8Array | string): Promise<boolean> {
    try {
      await this.#screen.write(bytes);
      await this.#screen.flush();
      return true;
    } catch (error) {
      if (this.#isGone(error)) return false;
      throw error;
    }
  }
}
