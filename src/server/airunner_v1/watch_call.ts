/**
 * The call with which a worker hears of cancellations.
 *
 * What is to be cancelled the store knows, and nobody else: a wake-up makes this call look there again, and
 * so does each beat. So nothing is lost that was cancelled before the call was opened, while it was being
 * opened, by another server of the same database, or before this one was started again; and nothing is told
 * that is not so.
 */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { HandlerContext } from "@connectrpc/connect";
import type { WatchRequest, WatchResponseSchema } from "../../events/gen/airunner/v1/airunner_pb.ts";
import type { Clock } from "../../platform/clock.ts";
import type { Logger } from "../../platform/logging/logger.ts";
import { caller, callerFields } from "../caller.ts";
import { abortReason } from "../job_service.ts";
import { checkName, checkQueue, invalidArgument } from "../job_validation.ts";
import type { Store } from "../store/contract.ts";
import type { TaskTokens, TokenSubject } from "../task_token.ts";
import type { KnownWorkers } from "./known_workers.ts";
import type { Registration, Watch, Watches, WorkerIdentity } from "./watches.ts";

/**
 * A quarter of the minute after which common proxies (nginx, the load balancers of AWS) cut a connection that
 * says nothing, so that a lost beat is not the end; and short enough that a worker notices a dead one soon.
 */
const BEAT_MS = 15_000;
/** As many jobs as one DequeueJob gives at most: more than a worker runs at a time. */
const TASK_TOKENS_MAX = 1_000;
/** More jobs than that no host runs at a time. */
const CONCURRENCY_MAX = 1_000;

export interface WatchCallOptions {
  store: Pick<Store, "jobs">;
  watches: Watches;
  known: KnownWorkers;
  tokens: TaskTokens;
  clock: Clock;
  logger: Logger;
  /** Aborts when the server begins to stop: workers are sent away, and come back. */
  stopping: AbortSignal;
}

type Message = MessageInitShape<typeof WatchResponseSchema>;

export async function* watchCall(
  options: WatchCallOptions,
  request: WatchRequest,
  context: HandlerContext,
): AsyncGenerator<Message> {
  const { watches, clock, logger, stopping } = options;
  // Registered before the store is asked: a cancellation that comes in between wakes this call.
  const watch = watches.open(checkRegistration(request, options.tokens), clock.nowMs());
  const { worker, subjects } = watch.registration;
  logger.debug("Worker watches", {
    worker: worker.name,
    worker_id: worker.id,
    jobs: subjects.length,
    ...callerFields(context.values.get(caller)),
  });
  options.known.present(watch);
  const signal = AbortSignal.any([stopping, context.signal, watch.replaced.signal]);
  // A worker that went away may never ask for the next message again, so its going is what ends this.
  const leave = () => {
    watch.wake();
    if (watches.close(watch).isLast) options.known.gone(watch);
  };
  signal.addEventListener("abort", leave, { once: true });
  try {
    yield* untilAborted(options, watch, signal);
  } finally {
    leave();
  }
  throw abortReason(signal);
}

async function* untilAborted(
  { store: { jobs }, known, clock }: WatchCallOptions,
  watch: Watch,
  signal: AbortSignal,
): AsyncGenerator<Message> {
  const told = new Set<string>();
  let beatAtMs = clock.elapsedMs();
  while (!signal.aborted) {
    const nap = watch.napping();
    if (clock.elapsedMs() >= beatAtMs) {
      yield { event: { case: "alive", value: {} } };
      if (signal.aborted) return;
      known.present(watch);
      beatAtMs = clock.elapsedMs() + BEAT_MS;
    }
    const asked = watch.registration.subjects.filter((subject) => !told.has(keyOf(subject)));
    const cancellations = asked.length === 0 ? [] : await jobs.cancellations(asked);
    for (const { jobId, execution, reason } of cancellations) {
      yield { event: { case: "cancellation", value: { jobId, execution, reason } } };
      told.add(keyOf({ jobId, execution }));
    }
    if (!signal.aborted) await clock.sleep(Math.max(0, beatAtMs - clock.elapsedMs()), nap);
  }
}

function keyOf({ jobId, execution }: TokenSubject): string {
  return `${jobId}/${execution}`;
}

function checkRegistration({ worker, taskTokens }: WatchRequest, tokens: TaskTokens): Registration {
  if (!worker) throw invalidArgument("worker is required");
  if (taskTokens.length > TASK_TOKENS_MAX) {
    throw invalidArgument(
      `task_tokens has ${taskTokens.length} tokens; at most ${TASK_TOKENS_MAX} are allowed`,
    );
  }
  // A token that this server cannot read is of a job that it does not have, and there is nothing to tell of
  // it: no reason to leave the worker in the dark about the others.
  const subjects = taskTokens.flatMap((token) => tokens.verify(token) ?? []);
  return { worker: checkWorker(worker), subjects };
}

function checkWorker({ id, name, version, queue, concurrency }: WorkerIdentity): WorkerIdentity {
  if (id === "") throw invalidArgument("worker.id is required");
  if (concurrency < 0 || concurrency > CONCURRENCY_MAX) {
    throw invalidArgument(`worker.concurrency is ${concurrency}; it must be from 0 to ${CONCURRENCY_MAX}`);
  }
  return {
    id: checkName("worker.id", id),
    name: checkName("worker.name", name),
    version: checkName("worker.version", version),
    queue: checkQueue(queue),
    concurrency,
  };
}
