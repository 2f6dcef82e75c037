import assert from "node:assert/strict";
import { FileLock } from "../file_lock.ts";
import { type Backend, type BackendHandler, Backends } from "./backends.ts";

/** What the server behind answers to one request. */
async function ask({ socket }: Backend): Promise<string> {
  await socket.write(new TextEncoder().encode("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
  const block = new Uint8Array(4096);
  const count = await socket.read(block);
  return new TextDecoder().decode(block.subarray(0, count!)).split("\r\n\r\n")[1];
}

const says = (text: string): BackendHandler => () => Promise.resolve(new Response(text));

async function inDirectory(test: (parent: string) => Promise<void>): Promise<void> {
  const parent = Deno.makeTempDirSync();
  try {
    await test(parent);
  } finally {
    Deno.removeSync(parent, { recursive: true });
  }
}

const namesIn = (parent: string) => [...Deno.readDirSync(parent)].map(({ name }) => name).sort();

Deno.test("each connection has a server of its own, which is used again and removed in the end", () =>
  inDirectory(async (parent) => {
    const backends = new Backends(parent);
    const [one, two] = [await backends.connect(says("one")), await backends.connect(says("two"))];
    assert.deepEqual([await ask(one), await ask(two), await ask(one)], ["one", "two", "one"]);
    const [directory] = namesIn(parent);
    assert.equal(Deno.statSync(`${parent}/${directory}`).mode! & 0o777, 0o700);
    for (const { socket, release } of [one, two]) {
      socket.close();
      release();
    }
    const again = await backends.connect(says("again"));
    assert.equal(await ask(again), "again");
    assert.equal(namesIn(`${parent}/${directory}`).length, 2);
    again.socket.close();
    await backends.close();
    assert.deepEqual(namesIn(parent), []);
  }));

Deno.test("what a killed process left is removed, and what a living one uses is not", () =>
  inDirectory(async (parent) => {
    for (
      const name of ["airunner-http-dead", "airunner-http-alive", "airunner-http-young", "somebody-elses"]
    ) {
      Deno.mkdirSync(`${parent}/${name}`);
      Deno.writeTextFileSync(`${parent}/${name}/1`, "");
      if (!name.endsWith("young")) Deno.utimeSync(`${parent}/${name}`, 0, 0);
    }
    const lock = FileLock.acquireDirectory(`${parent}/airunner-http-alive`, "exclusive")!;
    const backends = new Backends(parent);
    const { socket } = await backends.connect(says(""));
    const left = namesIn(parent).filter((name) =>
      !Deno.readDirSync(`${parent}/${name}`)[Symbol.iterator]().next().done
    );
    assert.equal(left.length, 4);
    assert.ok(!left.includes("airunner-http-dead"));
    socket.close();
    await backends.close();
    lock.release();
    assert.deepEqual(namesIn(parent), ["airunner-http-alive", "airunner-http-young", "somebody-elses"]);
  }));

Deno.test("sockets that somebody tidied away are made anew elsewhere", () =>
  inDirectory(async (parent) => {
    const backends = new Backends(parent);
    const first = await backends.connect(says("first"));
    first.socket.close();
    first.release();
    Deno.removeSync(`${parent}/${namesIn(parent)[0]}`, { recursive: true });
    const second = await backends.connect(says("second"));
    assert.equal(await ask(second), "second");
    second.socket.close();
    await backends.close();
    assert.deepEqual(namesIn(parent), []);
  }));

Deno.test("what kill -9 left is removed by the next one, whatever else vanishes or cannot be locked beside it", () =>
  inDirectory(async (parent) => {
    // Nothing to lock: a link that leads nowhere, before the others in any order.
    for (const name of ["airunner-http-0", "airunner-http-zz"]) {
      Deno.symlinkSync("nowhere", `${parent}/${name}`);
    }
    const module = new URL("./backends.ts", import.meta.url).href;
    const program = `
      const { Backends } = await import(${JSON.stringify(module)});
      const backends = new Backends(${JSON.stringify(parent)});
      await backends.connect(() => Promise.resolve(new Response("")));
      console.log("ready");
      await new Promise((done) => setTimeout(done, 60_000));`;
    const child = new Deno.Command(Deno.execPath(), {
      args: ["eval", "--quiet", program],
      stdout: "piped",
      stdin: "null",
    }).spawn();
    const reader = child.stdout.getReader();
    const { value } = await reader.read();
    assert.match(new TextDecoder().decode(value), /ready/);
    const left = namesIn(parent).filter((name) => !Deno.lstatSync(`${parent}/${name}`).isSymlink);
    assert.equal(left.length, 1);
    // As if it had been there for long; while it lives, its lock keeps it all the same.
    Deno.utimeSync(`${parent}/${left[0]}`, 0, 0);
    const whileItLives = new Backends(parent);
    (await whileItLives.connect(says(""))).socket.close();
    assert.ok(namesIn(parent).includes(left[0]));
    await whileItLives.close();

    child.kill("SIGKILL");
    await child.status;
    await reader.cancel();
    const next = new Backends(parent);
    (await next.connect(says(""))).socket.close();
    assert.ok(!namesIn(parent).includes(left[0]));
    await next.close();
  }));
