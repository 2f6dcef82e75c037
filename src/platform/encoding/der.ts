/**
 * DER, the encoding of keys and certificates (X.690): tag, length, content. Only what those need. Pure.
 */

export const SEQUENCE = 0x30;
export const SET = 0x31;
export const BOOLEAN = 0x01;
export const INTEGER = 0x02;
export const BIT_STRING = 0x03;
export const OCTET_STRING = 0x04;
const OBJECT_IDENTIFIER = 0x06;
export const UTF8_STRING = 0x0c;
export const UTC_TIME = 0x17;
export const GENERALIZED_TIME = 0x18;

/** The tag of a field that its place in a structure explains: `[0]`, `[1]`, …, holding an element. */
export const contextTag = (number: number): number => 0xa0 | number;

export type DerContent = ArrayLike<number>;

/** One element. Content of 65,536 bytes and more is for nobody here. */
export function encodeDer(tag: number, ...contents: DerContent[]): Uint8Array<ArrayBuffer> {
  const length = contents.reduce((sum, content) => sum + content.length, 0);
  if (length > 0xffff) throw new RangeError(`A DER element of ${length} bytes is too long`);
  const head = length < 0x80
    ? [tag, length]
    : length < 0x100
    ? [tag, 0x81, length]
    : [tag, 0x82, length >> 8, length & 0xff];
  const bytes = new Uint8Array(head.length + length);
  bytes.set(head);
  let at = head.length;
  for (const content of contents) {
    bytes.set(content, at);
    at += content.length;
  }
  return bytes;
}

/** A whole number of at least 0, from its bytes, the highest first. Leading zeros go, a sign comes. */
export function encodeInteger(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const first = bytes.findIndex((byte) => byte !== 0);
  const digits = first === -1 ? new Uint8Array(1) : bytes.subarray(first);
  return encodeDer(INTEGER, digits[0] >= 0x80 ? [0] : [], digits);
}

/** `1.2.840.10045.2.1` */
export function encodeObjectIdentifier(dotted: string): Uint8Array<ArrayBuffer> {
  const [first, second, ...rest] = dotted.split(".").map(Number);
  const content = [first * 40 + second, ...rest].flatMap((number) => {
    const groups = [number & 0x7f];
    for (let left = number >>> 7; left > 0; left >>>= 7) groups.unshift(0x80 | (left & 0x7f));
    return groups;
  });
  return encodeDer(OBJECT_IDENTIFIER, content);
}

export interface DerElement {
  readonly tag: number;
  readonly content: Uint8Array;
  /** The element with its tag and length. */
  readonly whole: Uint8Array;
}

/** The elements that follow one another in `der`. @throws {TypeError} when it is not made of such */
export function readDer(der: Uint8Array): DerElement[] {
  const elements: DerElement[] = [];
  for (let at = 0; at < der.length;) {
    const lengthBytes = der[at + 1] < 0x80 ? 0 : der[at + 1] & 0x7f;
    let length = lengthBytes === 0 ? der[at + 1] : 0;
    for (let index = 0; index < lengthBytes; index++) length = length * 0x100 + der[at + 2 + index];
    const start = at + 2 + lengthBytes;
    const end = start + length;
    if (lengthBytes > 2 || !(end <= der.length)) throw new TypeError("it is not whole DER");
    elements.push({ tag: der[at], content: der.subarray(start, end), whole: der.subarray(at, end) });
    at = end;
  }
  return elements;
}

/** The elements inside the one element of this tag that `der` begins with. @throws {TypeError} */
export function readDerInside(der: Uint8Array, tag: number): DerElement[] {
  const [element] = readDer(der);
  if (element?.tag !== tag) throw new TypeError(`it is not DER with the tag ${tag}`);
  return readDer(element.content);
}
