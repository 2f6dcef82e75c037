/**
 * A client for tests of the server: generated clients over real sockets, and the few messages tests send.
 */
import { type Client, createClient, type Transport } from "@connectrpc/connect";
import { createFetchClient } from "@connectrpc/connect/protocol";
import { createTransport } from "@connectrpc/connect/protocol-connect";
import { createEvent, type JobEvent, StreamType } from "../../src/events/event.ts";
import { JobsService, WorkerService } from "../../src/events/gen/airunner/v1/airunner_pb.ts";
import { JobEventsService, JobService } from "../../src/events/gen/job/v1/job_pb.ts";

export interface ServerClient extends AsyncDisposable {
  jobs: Client<typeof JobService>;
  events: Client<typeof JobEventsService>;
  /** Our own calls: JobsService and WorkerService of airunner.v1. */
  control: Client<typeof JobsService>;
  workers: Client<typeof WorkerService>;
}

export interface ServerClientOptions {
  json?: boolean;
  /** Sent with every call. */
  headers?: Record<string, string>;
  /** Certificates to trust. */
  caCerts?: string[];
  /** Over HTTP/2, as clients of other implementations. */
  http2?: boolean;
}

export function connect(url: string, options: ServerClientOptions = {}): ServerClient {
  // HTTP/2 costs 44 ms a call in Deno's client, HTTP/1.1 half a millisecond.
  const { json = false, headers = {}, caCerts = [], http2 = false } = options;
  const http = Deno.createHttpClient({ http2, http1: !http2, caCerts });
  const bodies = new Set<ReadableStreamDefaultReader<Uint8Array>>();
  const fetchWith = async (input: RequestInfo | URL, init?: RequestInit) => {
    const request = new Request(input, init);
    for (const [name, value] of Object.entries(headers)) request.headers.set(name, value);
    const response = await fetch(request, { client: http });
    // The library leaves a response open whose stream was not read to its end: then it is closed with the
    // client.
    const reader = response.body!.getReader();
    bodies.add(reader);
    const body = new ReadableStream<Uint8Array>({
      async pull(controller) {
        const { done, value } = await reader.read();
        if (!done) return controller.enqueue(value);
        bodies.delete(reader);
        controller.close();
      },
      cancel: (reason) => reader.cancel(reason),
    });
    return new Response(body, { status: response.status, headers: response.headers });
  };
  const transport: Transport = createTransport({
    baseUrl: url,
    httpClient: createFetchClient(fetchWith as typeof fetch),
    useBinaryFormat: !json,
    interceptors: [],
    acceptCompression: [],
    sendCompression: null,
    compressMinBytes: 1024,
    readMaxBytes: 0xffffffff,
    writeMaxBytes: 0xffffffff,
  });
  return {
    jobs: createClient(JobService, transport),
    events: createClient(JobEventsService, transport),
    control: createClient(JobsService, transport),
    workers: createClient(WorkerService, transport),
    async [Symbol.asyncDispose]() {
      await Promise.allSettled([...bodies].map((reader) => reader.cancel()));
      http.close();
    },
  };
}

export async function collect<T>(messages: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const message of messages) all.push(message);
  return all;
}

/** An output batch of one item, `bytes` long. */
export function outputEvent(sequence: number, bytes = 16): JobEvent {
  const output = new Uint8Array(bytes).fill(sequence % 256);
  return createEvent(BigInt(sequence), 1_700_000_000_000 + sequence, {
    case: "outputBatch",
    value: {
      outputs: [{ output, streamType: StreamType.STDOUT }],
      startSequence: BigInt(sequence),
      endSequence: BigInt(sequence),
      firstTimestampMs: BigInt(1_700_000_000_000 + sequence),
    },
  });
}

export async function* publishRequests(taskToken: string, batches: Iterable<JobEvent[]>) {
  for (const events of batches) yield { taskToken, events };
}
