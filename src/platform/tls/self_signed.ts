/**
 * A certificate that vouches for itself, for a first try: clients have to be told to trust exactly this one.
 * Pure but for WebCrypto.
 *
 * Not the openssl program, which need not be there, and no library: the whole of it is one structure (RFC
 * 5280).
 */
import {
  BIT_STRING,
  BOOLEAN,
  contextTag,
  encodeDer,
  encodeInteger,
  encodeObjectIdentifier,
  GENERALIZED_TIME,
  OCTET_STRING,
  SEQUENCE,
  SET,
  UTC_TIME,
  UTF8_STRING,
} from "../encoding/der.ts";
import { encodePem } from "../encoding/pem.ts";
import { type IpAddress, parseAddress } from "../ip_address.ts";
import type { CertificatePair } from "./certificate.ts";

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256" } as const;
const ECDSA_WITH_SHA256 = encodeDer(SEQUENCE, encodeObjectIdentifier("1.2.840.10045.4.3.2"));
const COMMON_NAME = encodeObjectIdentifier("2.5.4.3");
const TRUE = encodeDer(BOOLEAN, [0xff]);
/** A certificate seems to be from the future where a clock is behind. */
const BACKDATED_MS = 86_400_000;

export interface SelfSigned {
  /** Host names and addresses, at least one; the first is also what it is called. */
  readonly names: readonly string[];
  readonly nowMs: number;
  readonly days: number;
  /** 16 of them, for its number. */
  readonly randomBytes: Uint8Array;
}

export async function makeSelfSigned(
  { names, nowMs, days, randomBytes }: SelfSigned,
): Promise<CertificatePair> {
  const pair = await crypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
  const spki = new Uint8Array(await crypto.subtle.exportKey("spki", pair.publicKey));
  const name = encodeDer(
    SEQUENCE,
    encodeDer(SET, encodeDer(SEQUENCE, COMMON_NAME, encodeDer(UTF8_STRING, utf8(`airunner ${names[0]}`)))),
  );
  const toBeSigned = encodeDer(
    SEQUENCE,
    encodeDer(contextTag(0), encodeInteger(new Uint8Array([2]))),
    encodeInteger(randomBytes),
    ECDSA_WITH_SHA256,
    name,
    encodeDer(SEQUENCE, encodeTime(nowMs - BACKDATED_MS), encodeTime(nowMs + days * 86_400_000)),
    name,
    spki,
    encodeDer(contextTag(3), encodeDer(SEQUENCE, ...extensions(names))),
  );
  const signature = new Uint8Array(
    await crypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, pair.privateKey, toBeSigned),
  );
  const certificate = encodeDer(
    SEQUENCE,
    toBeSigned,
    ECDSA_WITH_SHA256,
    encodeDer(BIT_STRING, [0], encodeSignature(signature)),
  );
  const pkcs8 = new Uint8Array(await crypto.subtle.exportKey("pkcs8", pair.privateKey));
  return { cert: encodePem("CERTIFICATE", certificate), key: encodePem("PRIVATE KEY", pkcs8) };
}

/**
 * No authority: it cannot sign for others, so that whoever trusts it trusts one server and nothing else. Some
 * clients refuse an authority's certificate as a server's own.
 */
function extensions(names: readonly string[]): Uint8Array[] {
  const critical = (identifier: string, value: Uint8Array) =>
    encodeDer(SEQUENCE, encodeObjectIdentifier(identifier), TRUE, encodeDer(OCTET_STRING, value));
  const plain = (identifier: string, value: Uint8Array) =>
    encodeDer(SEQUENCE, encodeObjectIdentifier(identifier), encodeDer(OCTET_STRING, value));
  return [
    critical("2.5.29.19", encodeDer(SEQUENCE)),
    // digitalSignature alone.
    critical("2.5.29.15", encodeDer(BIT_STRING, [7, 0x80])),
    // serverAuth
    plain("2.5.29.37", encodeDer(SEQUENCE, encodeObjectIdentifier("1.3.6.1.5.5.7.3.1"))),
    plain("2.5.29.17", encodeDer(SEQUENCE, ...names.map(encodeName))),
  ];
}

function encodeName(name: string): Uint8Array {
  const address = parseAddress(name);
  return address === undefined ? encodeDer(0x82, utf8(name)) : encodeDer(0x87, addressBytes(address));
}

/** An IPv4 address, which is known by the IPv6 address that stands for it, has four. */
function addressBytes(address: IpAddress): Uint8Array {
  const bytes = Uint8Array.from({ length: 16 }, (_, at) => Number(address >> BigInt(8 * (15 - at)) & 0xffn));
  return address >> 32n === 0xffffn ? bytes.subarray(12) : bytes;
}

/** WebCrypto gives r and s one after the other; certificates have them as two numbers. */
function encodeSignature(signature: Uint8Array): Uint8Array {
  const half = signature.length / 2;
  return encodeDer(
    SEQUENCE,
    encodeInteger(signature.subarray(0, half)),
    encodeInteger(signature.subarray(half)),
  );
}

function encodeTime(ms: number): Uint8Array {
  const digits = new Date(ms).toISOString().replace(/[-:T]|\.\d+/g, "");
  return digits < "2050"
    ? encodeDer(UTC_TIME, utf8(digits.slice(2)))
    : encodeDer(GENERALIZED_TIME, utf8(digits));
}

function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
