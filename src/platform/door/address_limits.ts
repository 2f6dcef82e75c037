/**
 * How many connections one address may have, and whom a proxy speaks for.
 *
 * A proxy that is trusted has as many connections as it likes: its requests are counted instead, each for the
 * address that it names in X-Forwarded-For. Whoever is not trusted is counted by its own address, whatever it
 * says.
 */
import { type AddressRange, isWithin, parseAddress, sourceKey } from "../ip_address.ts";

export interface AddressLimit {
  /** Connections of one address, or requests at a time of one behind a trusted proxy. */
  max: number;
  trustedProxies: readonly AddressRange[];
}

type Leave = () => void;
const NOTHING: Leave = () => {};

export class AddressLimits {
  readonly #limit: AddressLimit | undefined;
  readonly #counts = new Map<string, number>();

  constructor(limit: AddressLimit | undefined) {
    this.#limit = limit;
  }

  /**
   * Counts a connection until the returned function is called; undefined, and not counted, when there are too
   * many.
   */
  enter(peer: string): Leave | undefined {
    return this.#limit === undefined || this.#isTrusted(peer) ? NOTHING : this.#count(peer, this.#limit.max);
  }

  /** As `enter`, for a request on a connection from `peer`. Only those of trusted proxies count. */
  enterRequest(peer: string, forwardedFor: string | null): Leave | undefined {
    if (this.#limit === undefined || !this.#isTrusted(peer)) return NOTHING;
    const source = this.#sourceOf(forwardedFor);
    return source === undefined ? NOTHING : this.#count(source, this.#limit.max);
  }

  /**
   * The last address in the header that is not itself a trusted proxy: what stands before it, anybody may
   * have written.
   */
  #sourceOf(forwardedFor: string | null): string | undefined {
    const addresses = (forwardedFor ?? "").split(",").map((address) => address.trim()).reverse();
    return addresses.find((address) => address !== "" && !this.#isTrusted(address));
  }

  #isTrusted(address: string): boolean {
    const parsed = parseAddress(address);
    return parsed !== undefined && this.#limit!.trustedProxies.some((range) => isWithin(parsed, range));
  }

  #count(address: string, max: number): Leave | undefined {
    const key = sourceKey(address);
    const count = this.#counts.get(key) ?? 0;
    if (count >= max) return undefined;
    this.#counts.set(key, count + 1);
    return () => {
      const left = this.#counts.get(key)! - 1;
      if (left === 0) this.#counts.delete(key);
      else this.#counts.set(key, left);
    };
  }
}
