/**
 * An event that comes in, as far as the server looks into it.
 */
import { readEventHead } from "../events/event_head.ts";
import { invalidArgument } from "./job_validation.ts";
import type { NewEvent } from "./store/contract.ts";

/**
 * What gRPC servers take as one message by default: an event above it could not have been published elsewhere
 * either.
 */
const EVENT_BYTES_MAX = 4 * 1024 * 1024;

/**
 * Sees that it is an event: what is stored must be readable for every reader. @throws ConnectError naming it,
 * by `index` in its request
 */
export function checkEvent(payload: Uint8Array, index: number): NewEvent {
  const head = readEventHead(payload);
  if (!head) throw invalidArgument(`events[${index}] is not a JobEvent`);
  if (head.sequence < 1n) {
    throw invalidArgument(`events[${index}] has sequence ${head.sequence}; sequences start at 1`);
  }
  if (payload.length > EVENT_BYTES_MAX) {
    throw invalidArgument(
      `The event with sequence ${head.sequence} has ${payload.length} bytes; at most ${EVENT_BYTES_MAX} are allowed`,
    );
  }
  return { ...head, payload };
}
