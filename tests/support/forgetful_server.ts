/**
 * A server in memory with the calls of both packages, which answers OK and loses what a test wants it to
 * lose: single events, or everything. Its checksums are computed as CompareEventsRequest says it, with no
 * thought of speed, by code of its own.
 */
import { create, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError, type ConnectRouter, createRouterTransport } from "@connectrpc/connect";
import { refusalDetail, type RefusalReason } from "../../src/events/error_info.ts";
import {
  type AdoptExecutionRequest,
  type CompareEventsRequest,
  WorkerService,
} from "../../src/events/gen/airunner/v1/airunner_pb.ts";
import {
  type CompleteJobRequest,
  JobEventSchema,
  JobEventsService,
  JobParamsSchema,
  JobService,
  type PublishJobEventsRequest,
} from "../../src/events/gen/job/v1/job_pb.ts";
import { crc64 } from "../../src/platform/checksum/crc64.ts";

export interface StoredRun {
  readonly jobId: string;
  readonly events: Map<bigint, Uint8Array>;
  result?: CompleteJobRequest["jobResult"];
  logId?: string;
  command?: string;
}

export class ForgetfulServer {
  /** Given out in order. */
  readonly waiting: { jobId: string; script: string }[] = [];
  /** By task token. */
  readonly runs = new Map<string, StoredRun>();
  readonly adoptions: AdoptExecutionRequest[] = [];
  readonly comparisons: CompareEventsRequest[] = [];
  /** Events that arrived, whether they were stored or lost. */
  received = 0;
  /** Whether an event is lost although it is acknowledged. */
  loses: (sequence: bigint) => boolean = () => false;
  /** What it stores of an event. */
  alters: (sequence: bigint, bytes: Uint8Array) => Uint8Array = (_, bytes) => bytes;
  hasCompare = true;
  hasAdopt = true;
  #tokens = 0;

  readonly routes = ({ service }: ConnectRouter): void => {
    service(JobService, {
      dequeueJob: async function* (this: ForgetfulServer) {
        await Promise.resolve();
        for (const { jobId, script } of this.waiting.splice(0)) {
          const jobParams = create(JobParamsSchema, { command: "sh", args: ["-c", script] });
          yield { job: { jobId, jobParams }, taskToken: this.newRun(jobId) };
        }
      }.bind(this),
      updateJob: ({ taskToken }) => {
        this.#run(taskToken);
        return {};
      },
      completeJob: ({ taskToken, jobResult }) => {
        this.#run(taskToken).result = jobResult;
        return {};
      },
      listJobs: () => ({}),
    });
    service(JobEventsService, {
      publishJobEvents: async (requests) => {
        for await (const request of requests) this.#publish(request);
        return {};
      },
    });
    service(WorkerService, {
      watch: async function* (_, { signal }) {
        yield { event: { case: "alive", value: {} } };
        if (!signal.aborted) await new Promise((resolve) => signal.addEventListener("abort", resolve));
      },
      adoptExecution: (request) => this.#adopt(request),
      compareEvents: (request) => this.#compare(request),
    });
  };

  readonly transport = createRouterTransport(this.routes);

  newRun(jobId: string, more: Partial<StoredRun> = {}): string {
    const token = `token-${++this.#tokens}-of-${jobId}`;
    this.runs.set(token, { jobId, events: new Map(), ...more });
    return token;
  }

  /** As after the loss of its database: no token of before means anything. */
  forgetAll(): void {
    this.runs.clear();
  }

  /** The only run of a job. */
  of(jobId: string): StoredRun {
    const [run, ...others] = [...this.runs.values()].filter((one) => one.jobId === jobId);
    if (run === undefined || others.length > 0) {
      throw new Error(`There are ${others.length} other runs of ${jobId}`);
    }
    return run;
  }

  #run(token: string): StoredRun {
    const run = this.runs.get(token);
    if (run === undefined) throw refusal("TASK_TOKEN_UNKNOWN", Code.InvalidArgument);
    return run;
  }

  #publish({ taskToken, events }: PublishJobEventsRequest): void {
    const run = this.#run(taskToken);
    for (const event of events) {
      this.received++;
      const { sequence } = event;
      if (this.loses(sequence) || run.events.has(sequence)) continue;
      run.events.set(sequence, this.alters(sequence, toBinary(JobEventSchema, event)));
    }
  }

  #adopt(request: AdoptExecutionRequest) {
    if (!this.hasAdopt) throw new ConnectError("no such call", Code.Unimplemented);
    this.adoptions.push(request);
    const { jobId, logId, jobParams } = request;
    for (const [taskToken, run] of this.runs) {
      if (run.jobId !== jobId) continue;
      if (run.logId === logId) return { taskToken, isNew: false };
      throw refusal("ADOPTION_OTHER_LOG", Code.FailedPrecondition);
    }
    return { taskToken: this.newRun(jobId, { logId, command: jobParams?.command }), isNew: true };
  }

  #compare(request: CompareEventsRequest) {
    if (!this.hasCompare) throw new ConnectError("no such call", Code.Unimplemented);
    this.comparisons.push(request);
    const { taskToken, fromSequence, toSequence, eventCount, checksum } = request;
    const within = [...this.#run(taskToken).events]
      .filter(([sequence]) => sequence >= fromSequence && sequence <= toSequence)
      .sort(([a], [b]) => a < b ? -1 : 1);
    const bytes: number[] = [];
    for (const [sequence, event] of within) {
      const head = new DataView(new ArrayBuffer(12));
      head.setBigInt64(0, sequence, true);
      head.setUint32(8, event.length, true);
      for (const part of [new Uint8Array(head.buffer), event]) for (const byte of part) bytes.push(byte);
    }
    const ours = crc64(new Uint8Array(bytes));
    const isEqual = eventCount === BigInt(within.length) && checksum === ours;
    return { isEqual, eventCount: BigInt(within.length), checksum: ours };
  }
}

function refusal(reason: RefusalReason, code: Code): ConnectError {
  const error = new ConnectError(reason.toLowerCase().replaceAll("_", " "), code);
  error.details.push(refusalDetail(reason));
  return error;
}
