/**
 * Clients that speak HTTP as no library would: byte by byte, or not at all.
 */
import { within } from "./within.ts";

/** A connection of its own, read as text. */
export class RawClient implements Disposable {
  readonly #socket: Deno.TcpConn;
  #isClosed = false;

  private constructor(socket: Deno.TcpConn) {
    this.#socket = socket;
  }

  static async connect(url: string): Promise<RawClient> {
    const { hostname, port } = new URL(url);
    return new RawClient(await Deno.connect({ hostname, port: Number(port) }));
  }

  async send(text: string): Promise<void> {
    await this.#socket.write(new TextEncoder().encode(text));
  }

  /** All that the other side says until it closes the connection. A broken connection is closed too. */
  async readToEnd(): Promise<string> {
    return await within(this.#readToEnd(), () => "the connection is still open");
  }

  async #readToEnd(): Promise<string> {
    const decoder = new TextDecoder();
    const block = new Uint8Array(4096);
    let text = "";
    try {
      for (let count; (count = await this.#socket.read(block)) !== null;) {
        text += decoder.decode(block.subarray(0, count), { stream: true });
      }
    } catch (error) {
      if (!(error instanceof Deno.errors.ConnectionReset)) throw error;
    }
    return text;
  }

  [Symbol.dispose](): void {
    if (!this.#isClosed) this.#socket.close();
    this.#isClosed = true;
  }
}

/** The ports of the IPv4 loopback that a process listens on. Only root may look at every process. */
export function portsOf(pid: number | "self"): Set<number> {
  const inodes = new Set<string>();
  for (const { name } of Deno.readDirSync(`/proc/${pid}/fd`)) {
    try {
      inodes.add(/^socket:\[(\d+)\]$/.exec(Deno.readLinkSync(`/proc/${pid}/fd/${name}`))?.[1] ?? "");
    } catch {
      // It was closed since the directory was read.
    }
  }
  const lines = Deno.readTextFileSync("/proc/self/net/tcp").trim().split("\n").slice(1);
  const listening = lines.map((line) => line.trim().split(/\s+/)).filter((fields) =>
    fields[3] === "0A" && inodes.has(fields[9])
  );
  return new Set(listening.map((fields) => parseInt(fields[1].split(":")[1], 16)));
}
