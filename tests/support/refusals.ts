/**
 * What a call that fails is held to: its code, its words, and the reason it gives to programs.
 */
import assert from "node:assert/strict";
import { Code, ConnectError } from "@connectrpc/connect";
import { type RefusalReason, refusalReason } from "../../src/events/error_info.ts";

export async function assertRefused(
  call: Promise<unknown>,
  code: Code,
  message: RegExp,
  reason?: RefusalReason,
): Promise<void> {
  const error = await call.then(() => undefined, (error) => error);
  assert.ok(error instanceof ConnectError, `Expected an error, got ${error}`);
  assert.equal(Code[error.code], Code[code], error.message);
  assert.match(error.rawMessage, message);
  assert.equal(refusalReason(error.details), reason);
}
