/**
 * How workers and servers name a key pair: base58(SHA-256(public key, SPKI DER)), the `kid` of every token.
 */

/** Bitcoin's alphabet: no 0, O, I and l, which look alike. */
const BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/** The bytes as one big number in base 58; each leading zero byte becomes a leading `1`. */
export function encodeBase58(bytes: Uint8Array): string {
  let number = bytes.reduce((sum, byte) => sum * 256n + BigInt(byte), 0n);
  let digits = "";
  for (; number > 0n; number /= 58n) digits = BASE58[Number(number % 58n)] + digits;
  const firstOther = bytes.findIndex((byte) => byte !== 0);
  return "1".repeat(firstOther === -1 ? bytes.length : firstOther) + digits;
}

/** @param spki the public key in DER */
export async function fingerprintOf(spki: BufferSource): Promise<string> {
  return encodeBase58(new Uint8Array(await crypto.subtle.digest("SHA-256", spki)));
}
