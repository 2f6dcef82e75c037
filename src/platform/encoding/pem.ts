/**
 * PEM: DER as text, in blocks with a label (RFC 7468). Pure.
 */
export function encodePem(label: string, bytes: Uint8Array): string {
  const lines = btoa(String.fromCharCode(...bytes)).match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}

/** The bytes of a block's text. @throws {TypeError} when it is not base64 */
export function decodePemBody(text: string): Uint8Array<ArrayBuffer> {
  try {
    return Uint8Array.from(atob(text.replace(/\s+/g, "")), (character) => character.charCodeAt(0));
  } catch (cause) {
    throw new TypeError("its base64 is damaged", { cause });
  }
}
