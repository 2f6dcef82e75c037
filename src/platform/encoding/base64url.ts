/**
 * Base64 with the URL alphabet and without padding (RFC 4648, section 5): the form of task tokens and of
 * the parts of a JWT.
 */
import { base64Decode, base64Encode } from "@bufbuild/protobuf/wire";

export function encodeBase64Url(bytes: Uint8Array): string {
  return base64Encode(bytes, "url");
}

/**
 * The bytes, or undefined when the text is not exactly what encoding them gives: two texts for the same
 * bytes would be two spellings of one signed thing.
 */
export function decodeBase64Url(text: string): Uint8Array<ArrayBuffer> | undefined {
  if (!/^[A-Za-z0-9_-]*$/.test(text)) return undefined;
  try {
    const bytes = new Uint8Array(base64Decode(text));
    return encodeBase64Url(bytes) === text ? bytes : undefined;
  } catch {
    // A length that no bytes have: an answer about the text, not a fault.
    return undefined;
  }
}
