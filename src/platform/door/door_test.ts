import assert from "node:assert/strict";
import { ManualClock } from "../../../tests/support/manual_clock.ts";
import { RawClient } from "../../../tests/support/tcp.ts";
import { createLogger } from "../logging/text_logger.ts";
import { type Door, type DoorOptions, openDoorOn } from "./door.ts";
import { type Acceptor, type ClientSocket, listenTcp, NoDescriptorsError } from "./sockets.ts";

const GET = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
const GET_AND_GO = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

/** A door on a real socket, whose accepting fails as often as a test says. */
class OpenedDoor implements AsyncDisposable {
  readonly clock = new ManualClock();
  readonly lines: string[] = [];
  readonly events: string[] = [];
  readonly url: string;
  readonly #door: Door;
  /** What the next calls of `accept` throw. */
  readonly failures: Error[] = [];

  constructor(options: Partial<DoorOptions> = {}) {
    const acceptor = listenTcp({ hostname: "127.0.0.1", port: 0 });
    this.url = `http://127.0.0.1:${acceptor.port}`;
    const failing: Acceptor = {
      port: acceptor.port,
      accept: () => this.#accept(acceptor),
      close: () => acceptor.close(),
    };
    this.#door = openDoorOn(failing, {
      connectionsMax: 100,
      deadlines: { headerMs: 20_000, idleMs: 120_000, bodyMs: 60_000, streamMs: 3_600_000 },
      handler: () => new Response("hello\n"),
      clock: this.clock,
      logger: createLogger("debug", (line) => this.lines.push(line)),
      observe: {
        refused: (reason) => this.events.push(`refused ${reason}`),
        closed: (reason) => this.events.push(`closed ${reason}`),
      },
      descriptorsHint: "get more",
      ...options,
    });
  }

  async #accept(acceptor: Acceptor): Promise<ClientSocket | undefined> {
    const failure = this.failures.shift();
    if (failure !== undefined) throw failure;
    return await acceptor.accept();
  }

  async ask(): Promise<string> {
    using client = await RawClient.connect(this.url);
    await client.send(GET_AND_GO);
    return await client.readToEnd();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#door.close(0);
  }
}

Deno.test("a door goes on after any failure to accept, pauses after each, and says once what is wrong", async () => {
  await using door = new OpenedDoor();
  door.failures.push(
    new NoDescriptorsError("Too many open files"),
    new NoDescriptorsError("Too many open files"),
    new Error("something new"),
  );
  // The first connection is accepted by a call that was made before.
  assert.match(await door.ask(), /200 OK/);
  using waiting = await RawClient.connect(door.url);
  for (let pause = 0; pause < 3; pause++) await door.clock.pass(500);
  await waiting.send(GET_AND_GO);
  assert.match(await waiting.readToEnd(), /hello\n$/);
  assert.deepEqual(door.events, ["refused descriptors", "refused descriptors"]);
  assert.equal(door.lines.length, 2, door.lines.join("\n"));
  assert.match(door.lines[0], /^ERR Out of descriptors: .*nothing is lost\. Next: get more/);
  assert.match(door.lines[1], /^ERR Cannot accept a connection - retrying.*something new/);
});

Deno.test("when all places are taken the one that has waited longest makes room, unless it has just come", async () => {
  const held = Promise.withResolvers<Response>();
  let asked = 0;
  const heldUp = Promise.withResolvers<void>();
  await using door = new OpenedDoor({
    connectionsMax: 2,
    handler: () => {
      if (++asked > 1) return new Response("hello\n");
      heldUp.resolve();
      return held.promise;
    },
  });
  using busy = await RawClient.connect(door.url);
  await busy.send(GET);
  await heldUp.promise;
  using idle = await RawClient.connect(door.url);
  // Accepted together with the one before, a moment ago: it may be about to ask.
  assert.match(await door.ask(), /^HTTP\/1\.1 503 .*Retry-After: 5.*as many connections as it may have/s);
  door.clock.advance(1_000);
  assert.match(await door.ask(), /200 OK/);
  assert.equal(await idle.readToEnd(), "");
  assert.deepEqual(door.events, ["refused connections", "closed room"]);
  held.resolve(new Response("at last\n", { headers: { Connection: "close" } }));
  await busy.send(GET_AND_GO);
  assert.match(await busy.readToEnd(), /at last\n/, "who had asked was not touched");
});

Deno.test("an error of the handler is a bug: 500, and its stack in the log alone", async () => {
  await using door = new OpenedDoor({
    handler: () => {
      throw new Error("in the handler");
    },
  });
  const answer = await door.ask();
  assert.match(answer, /^HTTP\/1\.1 500 /);
  assert.doesNotMatch(answer, /in the handler/);
  assert.match(door.lines.join("\n"), /ERR A request failed outside of its call.*in the handler/);
});

Deno.test("requests of one connection are answered in order, and a large answer comes whole", async () => {
  const large = new Uint8Array(5_000_000).fill(65);
  await using door = new OpenedDoor({
    handler: (request) => new Response(request.url.endsWith("/large") ? large : "small"),
  });
  using client = await RawClient.connect(door.url);
  await client.send("GET /large HTTP/1.1\r\nHost: x\r\n\r\n" + GET_AND_GO);
  const text = await client.readToEnd();
  assert.equal(text.indexOf("HTTP/1.1 200 OK", 10), text.lastIndexOf("HTTP/1.1 200 OK"));
  assert.ok(text.endsWith("small"));
  assert.equal(text.match(/A{1000}/g)?.length, 5_000);
});
