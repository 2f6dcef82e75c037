/**
 * IP addresses and ranges of them. Pure.
 *
 * An address is a number of 128 bits; an IPv4 address is the IPv6 address that stands for it (::ffff:0:0/96),
 * because a socket that listens to both names it so.
 */

export type IpAddress = bigint;

export interface AddressRange {
  /** As it was written. */
  readonly text: string;
  readonly first: IpAddress;
  /** How many leading bits of 128 are fixed. */
  readonly prefixBits: number;
}

const IPV4_PREFIX = 0xffffn << 32n;
const IPV4_PREFIX_BITS = 96;

/** The address in `192.0.2.7`, `2001:db8::1` or `::ffff:192.0.2.7`; undefined for any other text. */
export function parseAddress(text: string): IpAddress | undefined {
  return parseIpv4(text) ?? parseIpv6(text);
}

function parseIpv4(text: string): IpAddress | undefined {
  const value = ipv4Value(text);
  return value === undefined ? undefined : IPV4_PREFIX | value;
}

function ipv4Value(text: string): bigint | undefined {
  if (!/^(\d{1,3}\.){3}\d{1,3}$/.test(text)) return undefined;
  const parts = text.split(".").map(Number);
  return parts.every((part) => part <= 255)
    ? parts.reduce((value, part) => value << 8n | BigInt(part), 0n)
    : undefined;
}

function parseIpv6(text: string): IpAddress | undefined {
  // The last two groups may be written as an IPv4 address.
  const dotted = /^(.*:)([\d.]+)$/.exec(text);
  if (dotted !== null && dotted[2].includes(".")) {
    const value = ipv4Value(dotted[2]);
    if (value === undefined) return undefined;
    text = `${dotted[1]}${(value >> 16n).toString(16)}:${(value & 0xffffn).toString(16)}`;
  }
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const [head, tail] = halves.map((half) => half === "" ? [] : half.split(":"));
  const missing = 8 - head.length - (tail?.length ?? 0);
  if (tail === undefined ? missing !== 0 : missing < 1) return undefined;
  const groups = [...head, ...Array<string>(missing).fill("0"), ...tail ?? []];
  if (!groups.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return undefined;
  return groups.reduce((value, group) => value << 16n | BigInt(parseInt(group, 16)), 0n);
}

/** The range in `10.0.0.0/8`, `fd00::/8` or one address; undefined for any other text. */
export function parseRange(text: string): AddressRange | undefined {
  const match = /^([0-9a-f.:]+?)(?:\/(\d{1,3}))?$/i.exec(text);
  const first = match ? parseAddress(match[1]) : undefined;
  if (match === null || first === undefined) return undefined;
  const offset = match[1].includes(":") ? 0 : IPV4_PREFIX_BITS;
  const prefixBits = match[2] === undefined ? 128 : Number(match[2]) + offset;
  return prefixBits > 128 ? undefined : { text, first, prefixBits };
}

export function isWithin(address: IpAddress, { first, prefixBits }: AddressRange): boolean {
  const shift = BigInt(128 - prefixBits);
  return address >> shift === first >> shift;
}

/** What counts as one source: an IPv4 address, or the /64 that an IPv6 host chooses its addresses from. */
export function sourceKey(text: string): string {
  const address = parseAddress(text);
  if (address === undefined) return text;
  return address >> 32n === 0xffffn ? String(address) : `${address >> 64n}/64`;
}
