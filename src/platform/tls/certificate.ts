/**
 * What a certificate says of itself (X.509, RFC 5280): for whom it is, and from when to when. Whether to
 * believe it is for the TLS library to say. Pure.
 */
import {
  contextTag,
  encodeObjectIdentifier,
  GENERALIZED_TIME,
  OCTET_STRING,
  readDer,
  readDerInside,
  SEQUENCE,
  UTC_TIME,
} from "../encoding/der.ts";
import { decodePemBody } from "../encoding/pem.ts";

export interface Certificate {
  /** Host names and addresses. */
  readonly names: readonly string[];
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

/** A certificate with the chain up to its authority, and its private key, both in PEM. */
export interface CertificatePair {
  readonly cert: string;
  readonly key: string;
}

const SUBJECT_ALT_NAME = encodeObjectIdentifier("2.5.29.17");
/** Kinds of names in that extension: [2] is a host name, [7] an address. */
const DNS_NAME = 0x82;
const IP_ADDRESS = 0x87;

/** The first certificate of a PEM file, which is the server's own. @throws {TypeError} */
export function readCertificatePem(pem: string): Certificate {
  const body = /-----BEGIN CERTIFICATE-----([^-]+)-----END CERTIFICATE-----/.exec(pem)?.[1];
  if (body === undefined) throw new TypeError("it has no CERTIFICATE block");
  return readCertificate(decodePemBody(body));
}

/** @throws {TypeError} */
export function readCertificate(der: Uint8Array): Certificate {
  // Certificate ::= SEQUENCE { tbsCertificate, … }, and in that a version [0], a number, …
  const [toBeSigned] = readDerInside(der, SEQUENCE);
  const fields = readDer(toBeSigned.content);
  const validity = fields[fields[0]?.tag === contextTag(0) ? 4 : 3];
  const [notBefore, notAfter] = readDer(validity?.content ?? new Uint8Array());
  if (notAfter === undefined) throw new TypeError("it says no time");
  const extensions = fields.find(({ tag }) => tag === contextTag(3));
  return {
    names: extensions === undefined ? [] : namesIn(extensions.content),
    notBeforeMs: timeOf(notBefore),
    notAfterMs: timeOf(notAfter),
  };
}

function namesIn(extensions: Uint8Array): string[] {
  for (const extension of readDerInside(extensions, SEQUENCE)) {
    const parts = readDer(extension.content);
    if (String(parts[0]?.whole) !== String(SUBJECT_ALT_NAME)) continue;
    const value = parts.find(({ tag }) => tag === OCTET_STRING);
    return readDerInside(value?.content ?? new Uint8Array(), SEQUENCE).flatMap(({ tag, content }) => {
      if (tag === DNS_NAME) return [new TextDecoder().decode(content)];
      return tag === IP_ADDRESS ? [addressOf(content)] : [];
    });
  }
  return [];
}

function addressOf(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join(".");
  const groups = [];
  for (let at = 0; at + 1 < bytes.length; at += 2) {
    groups.push((bytes[at] * 256 + bytes[at + 1]).toString(16));
  }
  // The shortest form, as URLs have it.
  return URL.parse(`http://[${groups.join(":")}]`)?.hostname.slice(1, -1) ?? groups.join(":");
}

/** Years have two digits up to 2049, and four from then on. */
function timeOf({ tag, content }: { tag: number; content: Uint8Array }): number {
  const text = new TextDecoder().decode(content);
  const match = /^(\d{2}|\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})Z$/.exec(text);
  if (match === null || (tag !== UTC_TIME && tag !== GENERALIZED_TIME)) {
    throw new TypeError("its times cannot be read");
  }
  const [year, month, day, hour, minute, second] = match.slice(1).map(Number);
  const fullYear = match[1].length === 4 ? year : year >= 50 ? 1900 + year : 2000 + year;
  return Date.UTC(fullYear, month - 1, day, hour, minute, second);
}
