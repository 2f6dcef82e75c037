/**
 * P-256 private keys between the PEM forms that tools write and WebCrypto, which reads PKCS#8 only. Pure
 * but for WebCrypto.
 *
 *     SEC1, "EC PRIVATE KEY" (RFC 5915)  SEQUENCE { INTEGER 1, OCTET STRING key, [0] curve, [1] public key }
 *     PKCS#8, "PRIVATE KEY" (RFC 5208)   SEQUENCE { INTEGER 0, SEQUENCE { id-ecPublicKey, curve },
 *                                                   OCTET STRING SEC1 }
 */
import {
  contextTag,
  encodeDer,
  encodeObjectIdentifier,
  OCTET_STRING,
  readDer,
  readDerInside,
  SEQUENCE,
} from "../platform/encoding/der.ts";
import { decodePemBody, encodePem } from "../platform/encoding/pem.ts";

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256" } as const;

const INTEGER_ZERO = [0x02, 0x01, 0x00];
const P_256 = encodeObjectIdentifier("1.2.840.10045.3.1.7");
const EC_P256 = encodeDer(SEQUENCE, encodeObjectIdentifier("1.2.840.10045.2.1"), P_256);

/** What else a key may be, by the identifiers in it. */
const OTHER_KINDS: readonly (readonly [identifier: string, name: string])[] = [
  ["1.3.132.0.34", "on the curve P-384"],
  ["1.3.132.0.35", "on the curve P-521"],
  ["1.3.132.0.10", "on the curve secp256k1"],
  ["1.3.101.112", "for Ed25519"],
  ["1.2.840.113549.1.1.1", "for RSA"],
];

export interface KeyPair {
  /** Cannot be taken out of WebCrypto again. */
  signingKey: CryptoKey;
  /** The public key's SPKI bytes. */
  spki: Uint8Array<ArrayBuffer>;
}

/** A pair in the forms in which it is kept: SEC1 for the private key, SPKI for the public one. */
export interface KeyPems {
  privatePem: string;
  publicPem: string;
  spki: Uint8Array<ArrayBuffer>;
}

/**
 * Reads a key from either form. Throws a TypeError that says what is wrong with it, and never holds key
 * bytes.
 */
export async function importPrivateKey(pem: string): Promise<KeyPair> {
  const pkcs8 = pkcs8FromPem(pem);
  const { publicKey } = await importPair(pkcs8);
  return {
    signingKey: await crypto.subtle.importKey("pkcs8", pkcs8, ALGORITHM, false, ["sign"]),
    spki: new Uint8Array(await crypto.subtle.exportKey("spki", publicKey)),
  };
}

/** As `importPrivateKey`, in the forms in which pairs are kept here. */
export async function keyPemsOf(pem: string): Promise<KeyPems> {
  return await encodePair(await importPair(pkcs8FromPem(pem)));
}

/** A new pair. */
export async function generateKeyPems(): Promise<KeyPems> {
  return await encodePair(await crypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]));
}

async function importPair(pkcs8: Uint8Array<ArrayBuffer>): Promise<CryptoKeyPair> {
  try {
    const privateKey = await crypto.subtle.importKey("pkcs8", pkcs8, ALGORITHM, true, ["sign"]);
    // Deno decodes the key when it is first used, which is here.
    const { kty, crv, x, y } = await crypto.subtle.exportKey("jwk", privateKey);
    const publicKey = await crypto.subtle.importKey("jwk", { kty, crv, x, y }, ALGORITHM, true, ["verify"]);
    return { privateKey, publicKey };
  } catch (cause) {
    throw new TypeError("it is damaged, or not a key on the curve P-256", { cause });
  }
}

async function encodePair({ privateKey, publicKey }: CryptoKeyPair): Promise<KeyPems> {
  const pkcs8 = new Uint8Array(await crypto.subtle.exportKey("pkcs8", privateKey));
  const spki = new Uint8Array(await crypto.subtle.exportKey("spki", publicKey));
  return {
    privatePem: encodePem("EC PRIVATE KEY", sec1FromPkcs8(pkcs8)),
    publicPem: encodePem("PUBLIC KEY", spki),
    spki,
  };
}

function pkcs8FromPem(pem: string): Uint8Array<ArrayBuffer> {
  // openssl writes a block with the curve's name before the key; the labels tell them apart.
  const match = /-----BEGIN (EC PRIVATE KEY|PRIVATE KEY)-----([^-]+)-----END \1-----/.exec(pem);
  if (match === null) {
    throw new TypeError(
      pem.includes("ENCRYPTED")
        ? "it is protected by a password, which cannot be typed here"
        : pem.includes("BEGIN RSA PRIVATE KEY")
        ? "it is a key for RSA, and only keys on the curve P-256 can be used"
        : 'it holds no "EC PRIVATE KEY" or "PRIVATE KEY" block',
    );
  }
  if (match[2].includes("ENCRYPTED")) {
    throw new TypeError("it is protected by a password, which cannot be typed here");
  }
  const der = decodePemBody(match[2]);
  try {
    return match[1] === "PRIVATE KEY" ? checkedPkcs8(der) : pkcs8FromSec1(der);
  } catch (cause) {
    if (cause instanceof OtherKindError) throw new TypeError(cause.message);
    throw new TypeError("it is damaged, or not a key on the curve P-256", { cause });
  }
}

class OtherKindError extends Error {}

function checkedPkcs8(der: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const [, algorithm] = readDerInside(der, SEQUENCE);
  for (const { whole } of readDer(algorithm.content)) checkKind(whole);
  return der;
}

/**
 * The curve is looked at, and not only put around the key: the number of a key on another curve would pass
 * for one on this.
 */
function pkcs8FromSec1(der: Uint8Array): Uint8Array<ArrayBuffer> {
  const curve = readDerInside(der, SEQUENCE).find(({ tag }) => tag === contextTag(0));
  if (curve !== undefined) {
    checkKind(curve.content);
    if (!isSame(curve.content, P_256)) throw new TypeError("another curve");
  }
  return encodeDer(SEQUENCE, INTEGER_ZERO, EC_P256, encodeDer(OCTET_STRING, der));
}

function checkKind(identifier: Uint8Array): void {
  const other = OTHER_KINDS.find(([dotted]) => isSame(identifier, encodeObjectIdentifier(dotted)));
  if (other === undefined) return;
  throw new OtherKindError(`it is a key ${other[1]}, and only keys on the curve P-256 can be used`);
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}

/**
 * The SEC1 key inside a P-256 key's PKCS#8. There it leaves out the curve, which the algorithm beside it
 * names; on its own it has to name it, or other programs cannot read it. Only ever given what WebCrypto
 * wrote.
 */
function sec1FromPkcs8(pkcs8: Uint8Array): Uint8Array {
  const [, , sec1] = readDerInside(pkcs8, SEQUENCE);
  const [version, key, ...rest] = readDerInside(sec1.content, SEQUENCE);
  const publicKey = rest.find(({ tag }) => tag === contextTag(1));
  return encodeDer(
    SEQUENCE,
    version.whole,
    key.whole,
    encodeDer(contextTag(0), P_256),
    publicKey?.whole ?? [],
  );
}
