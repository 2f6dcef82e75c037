/**
 * Who makes a call, and what that may be: put into the call's context by whoever checks credentials, read by
 * the calls.
 */
import { type ContextKey, createContextKey } from "@connectrpc/connect";
import { ALL_ROLES, type Role } from "../keys/roles.ts";

export interface Caller {
  /** The key's name, for the server's log; empty where there are no keys. */
  readonly name: string;
  readonly roles: ReadonlySet<Role>;
}

/** Of a server without keys: whoever reaches it may do everything, as its operator allowed. */
export const ANYBODY: Caller = { name: "", roles: ALL_ROLES };

export const caller: ContextKey<Caller> = createContextKey(ANYBODY, { description: "who calls" });

/** Names the caller in a line of the server's log, where it has a name. */
export function callerFields({ name }: Caller): { caller?: string } {
  return name === "" ? {} : { caller: name };
}
