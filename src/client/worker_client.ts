/**
 * The calls of airunner.v1 that a host makes which runs jobs. A server need not have them: whoever calls asks
 * `isUnsupported` of the error, and does without.
 */
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type Client, createClient, type Transport } from "@connectrpc/connect";
import { type RefusalReason } from "../events/error_info.ts";
import { WorkerService } from "../events/gen/airunner/v1/airunner_pb.ts";
import { aborted } from "../platform/aborted.ts";
import type { Clock } from "../platform/clock.ts";
import type { Logger } from "../platform/logging/logger.ts";
import { CallError } from "./call_error.ts";
import { toCallError } from "./to_call_error.ts";

/** A worker as it introduces itself; the names are printable ASCII, see `shownName`. */
export interface WorkerIdentity {
  /** Made at the worker's start; two workers never have the same. */
  readonly id: string;
  readonly name: string;
  readonly version: string;
  readonly queue: string;
  readonly concurrency: number;
}

export type WatchEvent =
  | { readonly kind: "alive" }
  | { readonly kind: "cancellation"; readonly jobId: string; readonly reason: string };

/** What is to be made of a log: all that it says, and nothing that only the server knew. */
export interface Adoption {
  readonly jobId: string;
  readonly execution: number;
  readonly queue: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;
  readonly startedAtMs: number;
  readonly worker: string;
  readonly logId: string;
}

/** Events of a range of sequences, both ends included, as one side has them. */
export interface EventsRange {
  readonly from: bigint;
  readonly to: bigint;
  readonly count: number;
  /** CRC-64/NVME; see CompareEventsRequest. */
  readonly checksum: bigint;
}

/**
 * A call that the server does not have is not made again for an hour, or until `serverIsBack`: meanwhile it
 * is refused with the server's own answer.
 */
export interface WorkerClient {
  /** Ends with the connection, or when `signal` aborts. Throws CallError. */
  watch(
    worker: WorkerIdentity,
    taskTokens: readonly string[],
    signal: AbortSignal,
  ): AsyncIterable<WatchEvent>;
  /** Gives the task token of the adopted execution. Throws CallError, also when the server refuses. */
  adopt(adoption: Adoption, signal: AbortSignal): Promise<{ taskToken: string; isNew: boolean }>;
  /** Whether the server has the same events, and how many it has in that range. Throws CallError. */
  compare(
    taskToken: string,
    range: EventsRange,
    signal: AbortSignal,
  ): Promise<{ isEqual: boolean; count: number }>;
  /** The server answers again after a while in which it did not, and may be another one. */
  serverIsBack(): void;
}

export interface WorkerClientOptions {
  transport: Transport;
  clock: Clock;
  /** How long the answer to anything but a watch may take. */
  requestTimeoutMs: number;
  logger: Logger;
}

export function createWorkerClient(options: WorkerClientOptions): WorkerClient {
  const { transport, clock, requestTimeoutMs, logger } = options;
  const client = createClient(WorkerService, transport);
  const unsupported = new Map<string, { error: CallError; untilMs: number }>();
  const knownMissing = (name: string) => {
    const known = unsupported.get(name);
    return known !== undefined && clock.elapsedMs() < known.untilMs ? known.error : undefined;
  };
  async function call<T>(
    name: string,
    signal: AbortSignal,
    make: (limits: { signal: AbortSignal; timeoutMs: number }) => Promise<T>,
  ): Promise<T> {
    const known = knownMissing(name);
    if (known !== undefined) throw known;
    try {
      return await make({ signal, timeoutMs: requestTimeoutMs });
    } catch (cause) {
      const error = named(name, cause, clock.nowMs());
      if (isMissing(error)) {
        // Two may have asked before there was an answer.
        if (knownMissing(name) === undefined) {
          logger.debug("The server does not have a call of ours; it is done without", {
            error: error.message,
          });
        }
        unsupported.set(name, { error, untilMs: clock.elapsedMs() + UNSUPPORTED_WAIT_MS });
      }
      throw error;
    }
  }
  return {
    watch: (worker, taskTokens, signal) =>
      watch({ client, clock }, { worker, taskTokens: [...taskTokens] }, signal),
    async adopt({ command, args, metadata, startedAtMs, worker, ...rest }, signal) {
      const request = {
        ...rest,
        worker: shownName(worker),
        startedAt: timestampFromMs(startedAtMs),
        jobParams: { command, args: [...args], metadata: { ...metadata } },
      };
      const { taskToken, isNew } = await call(
        "AdoptExecution",
        signal,
        (limits) => client.adoptExecution(request, limits),
      );
      return { taskToken, isNew };
    },
    async compare(taskToken, { from, to, count, checksum }, signal) {
      const request = {
        taskToken,
        fromSequence: from,
        toSequence: to,
        eventCount: BigInt(count),
        checksum,
      };
      const { isEqual, eventCount } = await call(
        "CompareEvents",
        signal,
        (limits) => client.compareEvents(request, limits),
      );
      return { isEqual, count: Number(eventCount) };
    },
    serverIsBack: () => unsupported.clear(),
  };
}

async function* watch(
  { client, clock }: { client: Client<typeof WorkerService>; clock: Clock },
  request: { worker: WorkerIdentity; taskTokens: string[] },
  signal: AbortSignal,
): AsyncGenerator<WatchEvent> {
  const over = new AbortController();
  // Not by AbortSignal.any: where nothing but a listener holds on to such a signal, the runtime lets go
  // of it.
  aborted(signal, over.signal).then(() => over.abort());
  const isEnded = aborted(over.signal).then(() => undefined);
  try {
    const messages = client.watch(request, { signal: over.signal })[Symbol.asyncIterator]();
    for (;;) {
      const message = messages.next();
      // Met again below, unless the call is over: what becomes of it then is nobody's business.
      message.catch(() => {});
      const next = await Promise.race([message, isEnded]);
      if (next === undefined || next.done) return;
      const { event } = next.value;
      if (event.case === "cancellation") {
        const { jobId, reason } = event.value;
        yield { kind: "cancellation", jobId, reason };
        // Whatever a newer server says is a sign of life.
      } else yield { kind: "alive" };
    }
  } catch (error) {
    if (!over.signal.aborted) throw named("Watch", error, clock.nowMs());
  } finally {
    // The library does not pass on that a loop was left early.
    over.abort();
  }
}

/** Seldom: a server is rarely replaced by a newer one without being away for a moment. */
export const UNSUPPORTED_WAIT_MS = 3_600_000;

/** Whether the call is certainly not there, whatever is asked of it. */
function isMissing({ code, httpStatus }: CallError): boolean {
  return code === "unimplemented" || httpStatus === 404 || httpStatus === 405;
}

/**
 * Whether a refusal says that the server does not have the call, rather than that it does not want it: such a
 * server may be anybody's, who answers `invalid_argument` for anything (wire contract), and ours says why
 * it refuses.
 */
export function isUnsupported(error: CallError): boolean {
  const { code, kind, reason } = error;
  return isMissing(error) || (kind === "refused" && code === "invalid_argument" && reason === undefined);
}

/** With these a server says that it never had this execution, or has it no more, and not that it is over. */
export function isForgotten(reason: RefusalReason | undefined): boolean {
  return reason === "EXECUTION_UNKNOWN" || reason === "TASK_TOKEN_UNKNOWN";
}

/** HOST_NAME_MAX of Linux, twice: as much as our server takes of a name. */
const NAME_CHARACTERS_MAX = 128;

/** A name as it may stand in a header and on a screen. */
export function shownName(name: string): string {
  return name.replace(/[^\x20-\x7e]/gu, "?").slice(0, NAME_CHARACTERS_MAX).trim();
}

function named(call: string, error: unknown, nowMs: number): CallError {
  const known = toCallError(error, nowMs);
  return new CallError(`${call}: ${known.message || known.code}`, known, { cause: error });
}
