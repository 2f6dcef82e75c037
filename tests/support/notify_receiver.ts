/**
 * A service manager's end of the notification socket. Waiting for a datagram happens on another thread.
 */
import assert from "node:assert/strict";
import { encodeAddress } from "../../src/platform/notify_socket.ts";

const SYMBOLS = {
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  bind: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  recv: { parameters: ["i32", "buffer", "usize", "i32"], result: "isize", nonblocking: true },
  close: { parameters: ["i32"], result: "i32" },
} as const;

const AF_UNIX = 1;
const SOCK_DGRAM_CLOEXEC = 2 | 0o2000000;

export class NotifyReceiver implements Disposable {
  readonly #libc = Deno.dlopen("libc.so.6", SYMBOLS);
  readonly #fd: number;

  constructor(readonly address: string) {
    const { socket, bind } = this.#libc.symbols;
    this.#fd = socket(AF_UNIX, SOCK_DGRAM_CLOEXEC, 0);
    const bytes = encodeAddress(address);
    assert.equal(bind(this.#fd, bytes, bytes.length), 0, `cannot listen at ${address}`);
  }

  async receive(): Promise<string> {
    const buffer = new Uint8Array(4096);
    const length = Number(await this.#libc.symbols.recv(this.#fd, buffer, BigInt(buffer.length), 0));
    assert.ok(length >= 0, "recv failed");
    return new TextDecoder().decode(buffer.subarray(0, length));
  }

  [Symbol.dispose](): void {
    this.#libc.symbols.close(this.#fd);
    this.#libc.close();
  }
}
