/**
 * WorkerService of a server that a test decides about: who watches, who is told of what, and what the other
 * calls answer. Without an answer of the test's own these are unimplemented.
 */
import { Code, ConnectError, type ConnectRouter } from "@connectrpc/connect";
import {
  type AdoptExecutionRequest,
  type CompareEventsRequest,
  type WatchRequest,
  type WatchResponseSchema,
  WorkerService,
} from "../../src/events/gen/airunner/v1/airunner_pb.ts";
import type { MessageInitShape } from "@bufbuild/protobuf";

type Message = MessageInitShape<typeof WatchResponseSchema>;

/** One Watch call that is open. */
export class FakeWatch {
  #messages: (Message | ConnectError)[] = [];
  #wake = Promise.withResolvers<void>();
  isClosed = false;
  readonly #closed = Promise.withResolvers<void>();

  constructor(readonly request: WatchRequest) {}

  /** Resolves when the call is over. */
  get closed(): Promise<void> {
    return this.#closed.promise;
  }

  get tokens(): string[] {
    return [...this.request.taskTokens];
  }

  send(message: Message | ConnectError): void {
    this.#messages.push(message);
    this.#wake.resolve();
  }

  alive(): void {
    this.send({ event: { case: "alive", value: {} } });
  }

  cancel(jobId: string, reason = ""): void {
    this.send({ event: { case: "cancellation", value: { jobId, execution: 1, reason } } });
  }

  async *messages(signal: AbortSignal): AsyncGenerator<Message> {
    for (;;) {
      const message = this.#messages.shift();
      if (message instanceof ConnectError) throw message;
      if (message !== undefined) {
        yield message;
        continue;
      }
      if (signal.aborted) return;
      this.#wake = Promise.withResolvers<void>();
      await this.#wake.promise;
    }
  }

  /** A client that goes away may never ask for the next message again, so its going is what ends this. */
  end(): void {
    this.isClosed = true;
    this.#closed.resolve();
    this.#wake.resolve();
  }
}

const unimplemented = () => new ConnectError("not here", Code.Unimplemented);

export class FakeWorkerService {
  /** All Watch calls that ever came, in order. */
  readonly watches: FakeWatch[] = [];
  #watchers: (() => void)[] = [];
  /** The error that the next Watch calls end with, one each, before they are answered. */
  readonly refusals: ConnectError[] = [];
  /** Whether a Watch call is answered at once, as it ought to be. */
  answers = true;
  onWatch: (watch: FakeWatch) => void = () => {};
  adopt: (request: AdoptExecutionRequest) => { taskToken: string; isNew: boolean } = () => {
    throw unimplemented();
  };
  compare: (request: CompareEventsRequest) => { isEqual: boolean; eventCount: bigint; checksum: bigint } =
    () => {
      throw unimplemented();
    };

  readonly routes = ({ service }: ConnectRouter): void => {
    service(WorkerService, {
      watch: (request, context) => this.#watch(request, context.signal),
      adoptExecution: (request) => this.adopt(request),
      compareEvents: (request) => this.compare(request),
    });
  };

  async *#watch(request: WatchRequest, signal: AbortSignal): AsyncGenerator<Message> {
    await Promise.resolve();
    const refusal = this.refusals.shift();
    const watch = new FakeWatch(request);
    signal.addEventListener("abort", () => watch.end());
    this.watches.push(watch);
    this.onWatch(watch);
    for (const watcher of this.#watchers.splice(0)) watcher();
    if (refusal !== undefined) throw refusal;
    if (this.answers) watch.alive();
    yield* watch.messages(signal);
  }

  /** Calls that are open now. */
  get open(): FakeWatch[] {
    return this.watches.filter(({ isClosed }) => !isClosed);
  }

  /** The `count`-th call, from 1 on, once it has come. */
  async watch(count: number): Promise<FakeWatch> {
    while (this.watches.length < count) {
      await new Promise<void>((resolve) => this.#watchers.push(resolve));
    }
    return this.watches[count - 1];
  }

  /** The first call, from now on or before, that names just these tokens. */
  async watching(...tokens: string[]): Promise<FakeWatch> {
    for (;;) {
      const found = this.open.find((watch) => String(watch.tokens.toSorted()) === String(tokens.toSorted()));
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => this.#watchers.push(resolve));
    }
  }
}
