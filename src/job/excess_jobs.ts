/**
 * What a server sends beyond the slots that a worker asked for. It goes back to its queue at once, because
 * nobody here will run it before its visibility ends; a visibility of a second is the shortest there is, for
 * 0 means the server's default (wire contract).
 */
import { silentLogger } from "../platform/logging/logger.ts";
import type { JobContext } from "./job_context.ts";
import type { DequeuedJob } from "../client/job_client.ts";
import { releaseJob } from "./keep_visible.ts";

/**
 * More than that is no mistake in counting: the answer is not read any further, and what is unread is the
 * server's again.
 */
const EXCESS_MAX = 1000;

/** Starts as many of the jobs that come as there are slots. Gives how many came. */
export async function takeNoMoreThan(
  slots: number,
  jobs: AsyncIterable<DequeuedJob>,
  start: (job: DequeuedJob) => Promise<void>,
  context: JobContext,
): Promise<number> {
  const excess = new ExcessJobs(context);
  let taken = 0;
  try {
    for await (const job of jobs) {
      if (++taken <= slots) await start(job);
      else if (!excess.giveBack(job)) break;
    }
  } finally {
    await excess.over(slots);
  }
  return taken;
}

class ExcessJobs {
  readonly #context: JobContext;
  #count = 0;
  #released = 0;
  /** One after the other, so that a server that sends thousands is not called thousands of times at once. */
  #releasing: Promise<void> = Promise.resolve();

  constructor(context: JobContext) {
    this.#context = context;
  }

  /** Gives the job back. False when there have been so many that no more should be read. */
  giveBack({ taskToken }: DequeuedJob): boolean {
    const { jobClient: server, queue, stop } = this.#context;
    this.#count++;
    this.#releasing = this.#releasing.then(async () => {
      if (await releaseJob({ server, queue, taskToken, logger: silentLogger }, stop)) this.#released++;
    });
    // Met again in `over`.
    this.#releasing.catch(() => {});
    return this.#count < EXCESS_MAX;
  }

  /** Resolves when all of them are back, and says so in one line. */
  async over(slots: number): Promise<void> {
    if (this.#count === 0) return;
    await this.#releasing;
    this.#context.onReleased();
    this.#context.logger.warn(
      "The server sent more jobs than there are slots; those that were too many went back to their queue, and none of them was run",
      { slots, too_many: this.#count, given_back: this.#released },
    );
  }
}
