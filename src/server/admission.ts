/**
 * Who gets in: each call's key and role are checked before its body is read, and a call that stays open is
 * ended when its key goes or may no longer make it.
 */
import { Code, ConnectError, type HandlerContext } from "@connectrpc/connect";
import { formatRoles } from "../keys/roles.ts";
import type { Logger } from "../platform/logging/logger.ts";
import { authenticate, type AuthOptions } from "./auth.ts";
import type { AuthorizedKey, AuthorizedKeys } from "./authorized_keys.ts";
import { mayCall, rolesFor } from "./call_roles.ts";
import { type Caller, caller } from "./caller.ts";
import { endCall } from "./delivery_context.ts";
import { codeOf, type ServerObserver } from "./server_observer.ts";

export interface Gatekeeper extends AuthOptions {
  readonly keys: AuthorizedKeys;
  readonly logger: Logger;
}

/** The gate of every call. Whom it turns away no interceptor gets to see. */
export function admit(gate: Gatekeeper, observe: ServerObserver): (context: HandlerContext) => Promise<void> {
  return async (context) => {
    try {
      const key = await authenticate(context.requestHeader.get("Authorization"), gate);
      checkRole(key, context);
      context.values.set(caller, callerOf(key));
      if (context.method.methodKind !== "unary") endWhenRevoked(key.fingerprint, context, gate);
    } catch (error) {
      observe.called?.(context.method.name, codeOf(error));
      throw error;
    }
  };
}

function callerOf({ name, roles }: AuthorizedKey): Caller {
  return { name, roles };
}

/** @throws ConnectError, permission_denied */
function checkRole(key: AuthorizedKey, { method }: Pick<HandlerContext, "method">): void {
  if (mayCall(callerOf(key), method)) return;
  throw new ConnectError(
    `Not allowed: the key "${key.name}" has the role ${formatRoles(key.roles)} on this server, and ` +
      `${method.name} needs ${rolesFor(method).join(" or ") || "one that nobody has"}`,
    Code.PermissionDenied,
  );
}

function endWhenRevoked(fingerprint: string, context: HandlerContext, { keys, logger }: Gatekeeper): void {
  const forget = keys.watch(fingerprint, (key) => {
    const reason = whyToEnd(key, context);
    if (reason === undefined) return;
    logger.info("Ended a call whose key may no longer make it", {
      method: context.method.name,
      caller: context.values.get(caller).name,
      error: reason.rawMessage,
    });
    context.values.get(endCall)(reason);
  });
  // The library aborts it at the end of every call, however that comes.
  if (context.signal.aborted) forget();
  else context.signal.addEventListener("abort", forget, { once: true });
}

function whyToEnd(key: AuthorizedKey | undefined, context: HandlerContext): ConnectError | undefined {
  if (key === undefined) {
    return new ConnectError(
      "Not authenticated: the key was revoked on this server while the call was under way",
      Code.Unauthenticated,
    );
  }
  try {
    checkRole(key, context);
    return undefined;
  } catch (error) {
    return ConnectError.from(error);
  }
}
