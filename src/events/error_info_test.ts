import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { ERROR_INFO_TYPE, REFUSAL_REASONS, refusalDetail, refusalReason } from "./error_info.ts";

Deno.test("a reason is found among an error's details, and others' details are none", () => {
  for (const reason of REFUSAL_REASONS) {
    strictEqual(
      refusalReason([{ type: "x.Other", value: new Uint8Array(2) }, refusalDetail(reason)]),
      reason,
    );
  }
  strictEqual(refusalReason([]), undefined);
  // Fields 1 and 2 of somebody else's domain, and bytes that are no message.
  const foreign = new TextEncoder().encode("\x0a\x12TASK_TOKEN_UNKNOWN\x12\x05other");
  const damaged = new Uint8Array([0x0a, 0x7f]);
  for (const value of [foreign, damaged]) {
    strictEqual(refusalReason([{ type: ERROR_INFO_TYPE, value }]), undefined);
  }
  strictEqual(refusalReason([null, 3, { type: ERROR_INFO_TYPE, value: "text" }]), undefined);
});

Deno.test("a reason has the bytes of google.rpc.ErrorInfo", () => {
  const { type, value } = refusalDetail("EXECUTION_ENDED");
  deepStrictEqual([type, new TextDecoder().decode(value)], [
    "google.rpc.ErrorInfo",
    "\x0a\x0fEXECUTION_ENDED\x12\x08airunner",
  ]);
});
