import assert from "node:assert/strict";
import { createHash, X509Certificate } from "node:crypto";
import { ManualClock } from "../../../tests/support/manual_clock.ts";
import { within } from "../../../tests/support/within.ts";
import { portsOf, RawClient } from "../../../tests/support/tcp.ts";
import { type Door, type DoorOptions, openDoor } from "../door/door.ts";
import { createLogger } from "../logging/text_logger.ts";
import { systemClock } from "../system_clock.ts";
import { type CertificatePair, readCertificatePem } from "./certificate.ts";
import { makeSelfSigned } from "./self_signed.ts";

const NOW_MS = Date.now();

function certificateFor(names: readonly string[], days = 30): Promise<CertificatePair> {
  return makeSelfSigned({
    names,
    nowMs: NOW_MS,
    days,
    randomBytes: crypto.getRandomValues(new Uint8Array(16)),
  });
}

const pair = await certificateFor(["localhost", "127.0.0.1"]);
const other = await certificateFor(["localhost"]);

/** A door that speaks TLS, on a real socket. */
class TlsDoor implements AsyncDisposable {
  readonly lines: string[] = [];
  readonly events: string[] = [];
  readonly door: Door;

  constructor(options: Partial<DoorOptions> = {}) {
    this.door = openDoor({ hostname: "127.0.0.1", port: 0 }, {
      connectionsMax: 2_000,
      deadlines: { headerMs: 20_000, idleMs: 120_000, bodyMs: 60_000, streamMs: 3_600_000 },
      handler: (request) => new Response(`${request.method} ${new URL(request.url).pathname}`),
      clock: systemClock,
      logger: createLogger("debug", (line) => this.lines.push(line)),
      observe: {
        refused: (reason) => this.events.push(`refused ${reason}`),
        closed: (reason) => this.events.push(`closed ${reason}`),
      },
      descriptorsHint: "get more",
      certificate: pair,
      ...options,
    });
  }

  get url(): string {
    return `https://localhost:${this.door.port}`;
  }

  /** A plain connection to its port. */
  connect(): Promise<RawClient> {
    return RawClient.connect(`http://127.0.0.1:${this.door.port}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.door.close(0);
  }
}

async function get(url: string, caCerts: string[], http2: boolean): Promise<string> {
  using client = Deno.createHttpClient({ caCerts, http1: !http2, http2 });
  return await (await fetch(url, { client })).text();
}

Deno.test("a certificate of our own says for whom and how long it is, and other programs read the same", async () => {
  const { cert } = await certificateFor(["localhost", "build-host", "127.0.0.1", "::1"], 400);
  const read = readCertificatePem(cert);
  assert.deepEqual(read.names, ["localhost", "build-host", "127.0.0.1", "::1"]);
  const theirs = new X509Certificate(cert);
  assert.equal(Date.parse(theirs.validTo), read.notAfterMs);
  assert.equal(Date.parse(theirs.validFrom), read.notBeforeMs);
  assert.ok(Math.abs(read.notAfterMs - NOW_MS - 400 * 86_400_000) < 1_000);
  assert.equal(theirs.checkHost("build-host"), "build-host");
  assert.equal(theirs.ca, false);
});

Deno.test("what is no certificate is refused with the reason", () => {
  const block = (bytes: Uint8Array) =>
    `-----BEGIN CERTIFICATE-----\n${btoa(String.fromCharCode(...bytes))}\n-----END CERTIFICATE-----`;
  assert.throws(() => readCertificatePem("nonsense"), /no CERTIFICATE block/);
  assert.throws(() => readCertificatePem(block(new Uint8Array([0x30, 0x82, 1, 2]))), TypeError);
  const der = Uint8Array.from(atob(pair.cert.split("\n").slice(1, -2).join("")), (c) => c.charCodeAt(0));
  // However it is cut, that is said and nothing else happens.
  for (let end = 0; end < der.length; end++) {
    assert.throws(() => readCertificatePem(block(der.subarray(0, end))), TypeError, String(end));
  }
});

Deno.test("clients get an answer over HTTP/1.1 and over HTTP/2, on one port", async () => {
  await using door = new TlsDoor();
  assert.equal(await get(`${door.url}/one`, [pair.cert], false), "GET /one");
  assert.equal(await get(`${door.url}/two`, [pair.cert], true), "GET /two");
});

Deno.test("a client that does not trust the certificate gets no answer, and the door goes on", async () => {
  await using door = new TlsDoor();
  await assert.rejects(get(door.url, [other.cert], false), /invalid peer certificate/);
  assert.equal(await get(`${door.url}/one`, [pair.cert], false), "GET /one");
  assert.match(door.lines.join("\n"), /could not be talked to over TLS.*address=127\.0\.0\.1.*fatal alert/);
});

Deno.test("plain HTTP is told to speak TLS, and garbage is closed", async () => {
  await using door = new TlsDoor();
  using http = await door.connect();
  await http.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  assert.match(
    await http.readToEnd(),
    /^HTTP\/1\.1 400 [^]*speaks TLS: the address begins with https:\/\/\n$/,
  );
  using garbage = await door.connect();
  await garbage.send("\u0001garbage");
  assert.equal(await garbage.readToEnd(), "");
  using torn = await door.connect();
  // A record that begins a handshake, and then none.
  await torn.send("\u0016\u0003\u0001\u0000\u0005hello");
  // The library's alert, or nothing: never an answer.
  assert.doesNotMatch(await torn.readToEnd(), /HTTP/);
});

Deno.test("a new certificate is for new connections, and a stream that runs goes on", async () => {
  const parts = new TransformStream<Uint8Array, Uint8Array>();
  await using door = new TlsDoor({ handler: () => new Response(parts.readable) });
  const writer = parts.writable.getWriter();
  using client = Deno.createHttpClient({ caCerts: [pair.cert], http2: false });
  const response = await fetch(door.url, { client });
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  await writer.write(new TextEncoder().encode("before"));
  assert.equal((await reader.read()).value, "before");

  assert.throws(
    () => door.door.renewCertificate({ cert: other.cert, key: pair.key }),
    /do not belong together/,
  );
  assert.throws(() => door.door.renewCertificate({ cert: "nonsense", key: pair.key }), /cannot be used/);
  await assert.rejects(get(door.url, [other.cert], false), /invalid peer certificate/);
  door.door.renewCertificate(other);
  await assert.rejects(get(door.url, [pair.cert], false), /invalid peer certificate/);

  await writer.write(new TextEncoder().encode("after"));
  assert.equal((await reader.read()).value, "after");
  await writer.close();
  assert.equal((await reader.read()).done, true);
});

Deno.test("connections that come while certificates change are all served", async () => {
  await using door = new TlsDoor();
  using client = Deno.createHttpClient({
    caCerts: [pair.cert, other.cert],
    http2: false,
    poolMaxIdlePerHost: 0,
  });
  let isOver = false;
  const renewals = (async () => {
    for (let round = 0; !isOver; round++) {
      door.door.renewCertificate(round % 2 === 0 ? other : pair);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  })();
  const ask = async () => {
    for (let round = 0; round < 40; round++) {
      const response = await fetch(`${door.url}/x`, { client, headers: { Connection: "close" } });
      assert.equal(await response.text(), "GET /x");
    }
  };
  await Promise.all(Array.from({ length: 8 }, ask));
  isOver = true;
  await renewals;
});

Deno.test("a large answer comes whole over TLS, also to a client that is slow and whose connection is closed after it", async () => {
  const large = crypto.getRandomValues(new Uint8Array(65_536));
  const blocks = 320;
  await using door = new TlsDoor({
    handler: () =>
      new Response(ReadableStream.from((async function* () {
        for (let block = 0; block < blocks; block++) yield large;
      })())),
  });
  using client = Deno.createHttpClient({ caCerts: [pair.cert], http2: false });
  const response = await fetch(door.url, { client, headers: { Connection: "close" } });
  const hash = createHash("sha256");
  let bytes = 0;
  for await (const chunk of response.body!) {
    hash.update(chunk);
    bytes += chunk.length;
    if (bytes % (8 * 65_536) < chunk.length) await new Promise((resolve) => setTimeout(resolve, 5));
  }
  const expected = createHash("sha256");
  for (let block = 0; block < blocks; block++) expected.update(large);
  assert.equal(bytes, blocks * large.length);
  assert.equal(hash.digest("hex"), expected.digest("hex"));
});

Deno.test("an answer whose connection is closed after it comes whole to a client that reads it much later", async () => {
  const clock = new ManualClock();
  const answer = crypto.getRandomValues(new Uint8Array(65_536));
  // More than the kernel keeps for a client that does not read, and less than it keeps on the whole way.
  const blocks = 80;
  await using door = new TlsDoor({
    clock,
    handler: () =>
      new Response(ReadableStream.from((async function* () {
        for (let block = 0; block < blocks; block++) yield answer;
      })())),
  });
  using client = await Deno.connectTls({ hostname: "localhost", port: door.door.port, caCerts: [pair.cert] });
  await client.write(new TextEncoder().encode("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
  // Time in which a connection that was said to be over would be closed.
  for (let turn = 0; turn < 60; turn++) {
    await new Promise((resolve) => setTimeout(resolve, 5));
    clock.advance(1_000);
  }
  const scratch = new Uint8Array(65_536);
  let bytes = 0;
  const readAll = async () => {
    for (let count; (count = await client.read(scratch)) !== null;) bytes += count;
  };
  await within(readAll(), () => `${bytes} bytes came`);
  assert.ok(bytes > blocks * answer.length, `${bytes} bytes came`);
});

function descriptors(): number {
  return [...Deno.readDirSync("/proc/self/fd")].length;
}

Deno.test("whoever else connects to the port behind the door is turned away, also while certificates change", async () => {
  const before = portsOf("self");
  await using door = new TlsDoor();
  const inside = () => [...portsOf("self")].filter((port) => !before.has(port) && port !== door.door.port);
  assert.equal(inside().length, 1);
  const strangers = await Promise.all(
    Array.from({ length: 20 }, () => RawClient.connect(`http://127.0.0.1:${inside()[0]}`)),
  );
  const served = Array.from({ length: 20 }, () => get(`${door.url}/x`, [pair.cert], false));
  assert.deepEqual(new Set(await Promise.all(served)), new Set(["GET /x"]));
  for (const stranger of strangers) {
    assert.equal(await stranger.readToEnd(), "");
    stranger[Symbol.dispose]();
  }
  door.door.renewCertificate(other);
  assert.equal(await get(`${door.url}/x`, [other.cert], true), "GET /x");
  assert.equal(inside().length, 1, "the old one is closed");
});

Deno.test("a thousand half-open handshakes keep nobody out, and are closed in time", async () => {
  const before = descriptors();
  await using door = new TlsDoor({
    connectionsMax: 1_050,
    deadlines: { headerMs: 3_000, idleMs: 120_000, bodyMs: 60_000, streamMs: 3_600_000 },
  });
  const clients: RawClient[] = [];
  try {
    for (let index = 0; index < 1_000; index++) {
      const client = await door.connect();
      clients.push(client);
      // Every second one has begun: the head of a record of 512 bytes that does not come.
      if (index % 2 === 0) await client.send("\u0016\u0003\u0001\u0002\u0000\u0001");
    }
    assert.equal(await get(`${door.url}/one`, [pair.cert], false), "GET /one");
    // Each of these has a bound of its own.
    await Promise.all(clients.map((client) => client.readToEnd()));
    assert.ok(
      door.events.filter((event) => event === "closed header").length >= 1_000,
      String(door.events.length),
    );
    assert.equal(await get(`${door.url}/two`, [pair.cert], true), "GET /two");
  } finally {
    for (const client of clients) client[Symbol.dispose]();
  }
  // The servers behind the door stay for the next, at most one for each connection that was served.
  const returned = async () => {
    while (descriptors() > before + 20) await new Promise((resolve) => setTimeout(resolve, 50));
  };
  await within(returned(), () => `${descriptors()} descriptors are open, ${before} were`);
});
