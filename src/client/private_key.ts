/**
 * P-256 private keys between the PEM forms that tools write and WebCrypto, which reads PKCS#8 only. Pure
 * but for WebCrypto.
 *
 *     SEC1, "EC PRIVATE KEY" (RFC 5915)  SEQUENCE { INTEGER 1, OCTET STRING key, [0] curve, [1] public key }
 *     PKCS#8, "PRIVATE KEY" (RFC 5208)   SEQUENCE { INTEGER 0, SEQUENCE { id-ecPublicKey, prime256v1 },
 *                                                   OCTET STRING SEC1 }
 */

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256" } as const;

const SEQUENCE = 0x30;
const OCTET_STRING = 0x04;
const CONTEXT_0 = 0xa0;
const INTEGER_ZERO = [0x02, 0x01, 0x00];
/**
 * SEQUENCE { OBJECT IDENTIFIER id-ecPublicKey 1.2.840.10045.2.1, OBJECT IDENTIFIER prime256v1
 * 1.2.840.10045.3.1.7 }
 */
// deno-fmt-ignore
const EC_P256 = [
  SEQUENCE, 0x13,
  0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
  0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07,
];

export interface KeyPair {
  /** Cannot be taken out of WebCrypto again. */
  signingKey: CryptoKey;
  /** The public key's SPKI bytes. */
  spki: Uint8Array<ArrayBuffer>;
}

/**
 * Reads a key from either form. Throws a TypeError that says what is wrong with it, and never holds key
 * bytes.
 */
export async function importPrivateKey(pem: string): Promise<KeyPair> {
  const pkcs8 = pkcs8FromPem(pem);
  try {
    const key = await crypto.subtle.importKey("pkcs8", pkcs8, ALGORITHM, true, ["sign"]);
    // Deno decodes the key when it is first used, which is here.
    const { kty, crv, x, y } = await crypto.subtle.exportKey("jwk", key);
    const publicKey = await crypto.subtle.importKey("jwk", { kty, crv, x, y }, ALGORITHM, true, ["verify"]);
    return {
      signingKey: await crypto.subtle.importKey("pkcs8", pkcs8, ALGORITHM, false, ["sign"]),
      spki: new Uint8Array(await crypto.subtle.exportKey("spki", publicKey)),
    };
  } catch (cause) {
    throw new TypeError("it is damaged, or not a key on the curve P-256", { cause });
  }
}

/** A new pair in the forms in which they are kept: SEC1 for the private key, SPKI for the public one. */
export async function generateKeyPems(): Promise<
  { privatePem: string; publicPem: string; spki: Uint8Array<ArrayBuffer> }
> {
  const pair = await crypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
  const pkcs8 = new Uint8Array(await crypto.subtle.exportKey("pkcs8", pair.privateKey));
  const spki = new Uint8Array(await crypto.subtle.exportKey("spki", pair.publicKey));
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
        : 'it holds no "EC PRIVATE KEY" or "PRIVATE KEY" block',
    );
  }
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    bytes = Uint8Array.from(atob(match[2].replace(/\s+/g, "")), (character) => character.charCodeAt(0));
  } catch (cause) {
    const protectedKey = match[2].includes("ENCRYPTED");
    throw new TypeError(
      protectedKey ? "it is protected by a password, which cannot be typed here" : "its base64 is damaged",
      { cause },
    );
  }
  if (match[1] === "PRIVATE KEY") return bytes;
  return encodeDer(SEQUENCE, [...INTEGER_ZERO, ...EC_P256, ...encodeDer(OCTET_STRING, bytes)]);
}

/**
 * The SEC1 key inside a P-256 key's PKCS#8. There it leaves out the curve, which the algorithm beside it
 * names; on its own it has to name it, or other programs cannot read it.
 */
function sec1FromPkcs8(pkcs8: Uint8Array): Uint8Array {
  const algorithmEnd = INTEGER_ZERO.length + EC_P256.length;
  const content = readDer(
    readDer(readDer(pkcs8, SEQUENCE).subarray(algorithmEnd), OCTET_STRING),
    SEQUENCE,
  );
  const keyEnd = INTEGER_ZERO.length + 2 + 32;
  const curve = encodeDer(CONTEXT_0, EC_P256.slice(-10));
  return encodeDer(SEQUENCE, [...content.subarray(0, keyEnd), ...curve, ...content.subarray(keyEnd)]);
}

function encodeDer(tag: number, content: ArrayLike<number>): Uint8Array<ArrayBuffer> {
  const { length } = content;
  const head = length < 0x80
    ? [tag, length]
    : length < 0x100
    ? [tag, 0x81, length]
    : [tag, 0x82, length >> 8, length & 0xff];
  return Uint8Array.from([...head, ...Array.from(content)]);
}

/** The content of the element at the start of `der`. Only ever given what WebCrypto wrote. */
function readDer(der: Uint8Array, tag: number): Uint8Array {
  if (der[0] !== tag) throw new TypeError(`Expected DER element ${tag}, found ${der[0]}`);
  const lengthBytes = der[1] < 0x80 ? 0 : der[1] & 0x7f;
  let length = lengthBytes === 0 ? der[1] : 0;
  for (let index = 0; index < lengthBytes; index++) length = length * 0x100 + der[2 + index];
  return der.subarray(2 + lengthBytes, 2 + lengthBytes + length);
}

function encodePem(label: string, bytes: Uint8Array): string {
  const lines = btoa(String.fromCharCode(...bytes)).match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}
