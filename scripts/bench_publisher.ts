/**
 * A publisher that costs next to nothing while it is measured: a whole call of PublishJobEvents, encoded
 * before, written into a socket. The library's client takes as long to encode an event as the server to store
 * it.
 */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  type JobEvent,
  PublishJobEventsRequestSchema,
  PublishJobEventsResponseSchema,
} from "../src/events/gen/job/v1/job_pb.ts";

export interface EncodedCall {
  /** Connect's envelopes, one a request. */
  readonly body: Uint8Array;
}

export function encodeCall(taskToken: string, events: readonly JobEvent[], batch: number): EncodedCall {
  const parts: Uint8Array[] = [];
  for (let start = 0; start < events.length; start += batch) {
    const request = create(PublishJobEventsRequestSchema, {
      taskToken,
      events: events.slice(start, start + batch),
    });
    const message = toBinary(PublishJobEventsRequestSchema, request);
    const head = new Uint8Array(5);
    new DataView(head.buffer).setUint32(1, message.length);
    parts.push(head, message);
  }
  const body = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    body.set(part, at);
    at += part.length;
  }
  return { body };
}

/** Returns how many events the server says that it has stored. */
export async function publish(url: string, { body }: EncodedCall): Promise<number> {
  const { hostname, port } = new URL(url);
  using connection = await Deno.connect({ hostname, port: Number(port) });
  const head =
    "POST /job.v1.JobEventsService/PublishJobEvents HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" +
    `Content-Type: application/connect+proto\r\nContent-Length: ${body.length}\r\n\r\n`;
  const answer = new Response(connection.readable).bytes();
  const writer = connection.writable.getWriter();
  await writer.write(new TextEncoder().encode(head));
  await writer.write(body);
  return eventsStored(await answer);
}

function eventsStored(answer: Uint8Array): number {
  const text = new TextDecoder("latin1").decode(answer);
  const start = text.indexOf("\r\n\r\n") + 4;
  if (!/^HTTP\/1\.1 200 /.test(text)) throw new Error(`The server answered: ${text.slice(0, 200)}`);
  let content = answer.subarray(start);
  if (/^transfer-encoding: chunked/im.test(text.slice(0, start))) content = unchunked(content);
  const length = new DataView(content.buffer, content.byteOffset).getUint32(1);
  const { eventsStored } = fromBinary(PublishJobEventsResponseSchema, content.subarray(5, 5 + length));
  return Number(eventsStored);
}

function unchunked(content: Uint8Array): Uint8Array {
  const parts: number[] = [];
  const text = new TextDecoder("latin1").decode(content);
  for (let at = 0;;) {
    const end = text.indexOf("\r\n", at);
    const length = parseInt(text.slice(at, end), 16);
    if (!(length > 0)) return new Uint8Array(parts);
    parts.push(...content.subarray(end + 2, end + 2 + length));
    at = end + 2 + length + 2;
  }
}
