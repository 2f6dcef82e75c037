/**
 * Task tokens: what lets a worker publish events for, update and complete one execution of one job.
 *
 *     token   = base64url, without padding, of
 *     version u8 = 1 | job id, 16 bytes | execution u32 | HMAC-SHA256 of all that, cut to 16 bytes
 *
 * A token names its execution and proves that this server handed it out; it is never stored, so it
 * keeps working for late events as long as the secret does, and what else it may still do is decided
 * by the state of the job. 128 bits of MAC are what RFC 2104 asks for at least (half of the hash).
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import { decodeBase64Url, encodeBase64Url } from "../platform/encoding/base64url.ts";
import { uuidFromBytes, uuidToBytes } from "./uuid7.ts";

export const SECRET_BYTES = 32;

const VERSION = 1;
const BODY_BYTES = 21;
const MAC_BYTES = 16;

export interface TokenSubject {
  jobId: string;
  /** From 1 on. */
  execution: number;
}

export class TaskTokens {
  readonly #secret: Uint8Array;

  /** @throws RangeError when the secret is not 32 bytes long. */
  constructor(secret: Uint8Array) {
    if (secret.length !== SECRET_BYTES) {
      throw new RangeError(`A token secret has ${SECRET_BYTES} bytes, not ${secret.length}`);
    }
    this.#secret = secret.slice();
  }

  sign(subject: TokenSubject): string {
    const id = uuidToBytes(subject.jobId);
    if (!id) throw new RangeError("A job id must be a UUID to be put into a task token");
    const token = new Uint8Array(BODY_BYTES + MAC_BYTES);
    token[0] = VERSION;
    token.set(id, 1);
    new DataView(token.buffer).setUint32(17, subject.execution);
    token.set(this.#mac(token.subarray(0, BODY_BYTES)), BODY_BYTES);
    return encodeBase64Url(token);
  }

  /**
   * Whose token this is; undefined for anything that `sign` did not return, in time that does not depend on
   * the MAC.
   */
  verify(token: string): TokenSubject | undefined {
    const bytes = decodeBase64Url(token);
    if (bytes?.length !== BODY_BYTES + MAC_BYTES || bytes[0] !== VERSION) return undefined;
    const body = bytes.subarray(0, BODY_BYTES);
    if (!timingSafeEqual(this.#mac(body), bytes.subarray(BODY_BYTES))) return undefined;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return { jobId: uuidFromBytes(body.subarray(1, 17)), execution: view.getUint32(17) };
  }

  #mac(body: Uint8Array): Uint8Array {
    return new Uint8Array(createHmac("sha256", this.#secret).update(body).digest()).subarray(0, MAC_BYTES);
  }
}
