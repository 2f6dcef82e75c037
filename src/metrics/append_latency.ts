/**
 * How fast the appends of the running worker are, by its own metrics. Whoever is asked is on this machine,
 * and never behind a proxy, so this speaks the little HTTP that it takes by itself.
 */
import type { ListenAddress } from "../config/value_type.ts";
import type { Clock } from "../platform/clock.ts";
import type { Network } from "../platform/network.ts";

export interface AppendLatency {
  /** Appends since the worker started. */
  readonly count: number;
  /** Undefined when there was none yet. */
  readonly p50Seconds: number | undefined;
  readonly p99Seconds: number | undefined;
}

/** A worker that does not answer in this time has other troubles than its latency. */
const TIMEOUT_MS = 2000;
/** A worker's metrics take some kilobytes. Whatever else has the port may send without end. */
const ANSWER_BYTES_MAX = 1024 * 1024;

const HISTOGRAM = "wal_append_duration_seconds";

/** What asking needs of the outside world. */
export interface LatencyHost {
  readonly network: Network;
  readonly clock: Clock;
}

/** Undefined when no worker answers there. */
export async function askAppendLatency(
  host: LatencyHost,
  address: ListenAddress,
): Promise<AppendLatency | undefined> {
  try {
    return parseAppendLatency(await get(host, address));
  } catch {
    // Nobody listens, or somebody who is no worker: both are the same answer.
    return undefined;
  }
}

/** The address to ask a listener at that listens everywhere. */
export function reachable({ hostname, port }: ListenAddress): ListenAddress {
  if (hostname === "0.0.0.0") return { hostname: "127.0.0.1", port };
  return hostname === "::" ? { hostname: "::1", port } : { hostname, port };
}

async function get({ network, clock }: LatencyHost, address: ListenAddress): Promise<string> {
  const { hostname, port } = reachable(address);
  using connection = await network.connect({ hostname, port });
  const answered = new AbortController();
  clock.sleep(TIMEOUT_MS, answered.signal).then(() => !answered.signal.aborted && connection.close());
  try {
    const host = hostname.includes(":") ? `[${hostname}]` : hostname;
    // HTTP/1.0: the answer comes in one piece and ends with the connection.
    const request = `GET /metrics HTTP/1.0\r\nHost: ${host}:${port}\r\nConnection: close\r\n\r\n`;
    await connection.write(new TextEncoder().encode(request));
    const decoder = new TextDecoder();
    let answer = "";
    for await (const chunk of connection.readable) {
      answer += decoder.decode(chunk, { stream: true });
      if (answer.length > ANSWER_BYTES_MAX) break;
    }
    return answer;
  } finally {
    answered.abort();
  }
}

/** From the text format of Prometheus; undefined when it is not that of a worker. */
export function parseAppendLatency(text: string): AppendLatency | undefined {
  const buckets: Bucket[] = [];
  for (const [, bound, count] of text.matchAll(BUCKET_LINE)) {
    buckets.push({ bound: bound === "+Inf" ? Infinity : Number(bound), count: Number(count) });
  }
  const last = buckets.at(-1);
  if (last === undefined || last.bound !== Infinity) return undefined;
  return { count: last.count, p50Seconds: quantile(0.5, buckets), p99Seconds: quantile(0.99, buckets) };
}

const BUCKET_LINE = new RegExp(`^${HISTOGRAM}_bucket\\{le="([^"]+)"\\} ([0-9.e+]+)$`, "gm");

interface Bucket {
  readonly bound: number;
  /** Of all that are at most `bound`. */
  readonly count: number;
}

/**
 * As `histogram_quantile` of Prometheus: evenly spread within a bucket, and of the last one its lower bound.
 */
function quantile(rank: number, buckets: readonly Bucket[]): number | undefined {
  const total = buckets[buckets.length - 1].count;
  if (total === 0) return undefined;
  const wanted = rank * total;
  const at = buckets.findIndex(({ count }) => count >= wanted);
  const lower = at === 0 ? { bound: 0, count: 0 } : buckets[at - 1];
  const { bound, count } = buckets[at];
  if (bound === Infinity) return lower.bound;
  return lower.bound + (bound - lower.bound) * (wanted - lower.count) / (count - lower.count);
}
