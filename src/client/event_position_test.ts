import assert from "node:assert/strict";
import { createEvent, type JobEvent } from "../events/event.ts";
import { EventPosition } from "./event_position.ts";

const event = (sequence: number, text = "same"): JobEvent =>
  createEvent(BigInt(sequence), 0, { case: "processError", value: { errorMessage: text } });

function place(position: EventPosition, ...events: JobEvent[]): string {
  return events.map((item) => position.place(item)).join(" ");
}

Deno.test("events are new once, and a stream opened again begins with the last one", () => {
  const position = new EventPosition(1n);
  position.opened();
  assert.equal(position.resumeFrom, 1n);
  assert.equal(place(position, event(1), event(2), event(3)), "new new new");
  assert.equal(position.resumeFrom, 3n);
  position.opened();
  assert.ok(position.isUnproven);
  assert.equal(place(position, event(3), event(4)), "repeated new");
  assert.ok(!position.isUnproven);
});

Deno.test("another event in the last one's place means another execution, to be read from its beginning", () => {
  const position = new EventPosition(1n);
  place(position, event(1), event(2));
  position.opened();
  assert.equal(position.place(event(2, "other")), "lost");
  assert.equal(position.resumeFrom, 1n);
  position.opened();
  assert.equal(place(position, event(1, "other"), event(2, "other")), "new new");
});

Deno.test("a later sequence than the last one's proves nothing, until it is not waited for any more", () => {
  const position = new EventPosition(1n);
  place(position, event(1), event(2));
  position.opened();
  assert.equal(position.place(event(4, "other")), "skipped");
  assert.ok(position.isUnproven);
  assert.ok(position.rewind());
  position.opened();
  assert.equal(position.place(event(4, "other")), "skipped");
  assert.ok(!position.rewind());
  position.goOn("skipped");
  assert.equal(position.place(event(4, "other")), "gap");
  assert.equal(position.resumeFrom, 1n);
  assert.equal(position.restarts, 1);
});

Deno.test("an execution that begins within a stream starts over", () => {
  const position = new EventPosition(1n);
  assert.equal(
    place(position, event(1), event(2), event(1, "other"), event(2, "other")),
    "new new new_execution new",
  );
  assert.equal(position.resumeFrom, 2n);
});

Deno.test("going back to the beginning repeats nothing of the same execution", () => {
  const position = new EventPosition(1n);
  place(position, event(1), event(2), event(3));
  position.opened();
  position.rewind();
  assert.equal(position.resumeFrom, 1n);
  position.opened();
  assert.equal(place(position, event(1), event(2), event(3), event(4)), "repeated repeated repeated new");
});

Deno.test("going back to the beginning finds a new execution that is shorter", () => {
  const position = new EventPosition(1n);
  place(position, event(1), event(2), event(3));
  position.opened();
  position.rewind();
  position.opened();
  assert.equal(place(position, event(1, "other"), event(2, "other")), "new_execution new");
});

Deno.test("nothing is taken behind a gap until it is not waited for any more", () => {
  const position = new EventPosition(1n);
  assert.equal(place(position, event(1), event(5), event(3), event(2)), "new gap gap new");
  assert.equal(position.place(event(5)), "gap");
  position.goOn("gap");
  assert.equal(place(position, event(5), event(6), event(8)), "new new gap");
  assert.deepEqual(position.missing, [{ first: 3n, last: 4n }]);
});

Deno.test("an event that arrives late is told so, and does not move the position back", () => {
  const position = new EventPosition(1n);
  place(position, event(1));
  position.goOn("gap");
  assert.equal(place(position, event(5), event(3), event(3)), "new late repeated");
  assert.equal(position.resumeFrom, 5n);
  assert.deepEqual(position.missing, [{ first: 2n, last: 2n }, { first: 4n, last: 4n }]);
});

Deno.test("what was missing of an execution stays missing when the next begins", () => {
  const position = new EventPosition(1n);
  place(position, event(1));
  position.goOn("gap");
  assert.equal(place(position, event(3), event(1, "other"), event(2, "other")), "new new_execution new");
  assert.deepEqual(position.missing, []);
  assert.deepEqual(position.missingOfAll, [{ first: 2n, last: 2n }]);
});

Deno.test("reading can begin in the middle, and does so for the first execution only", () => {
  const position = new EventPosition(7n);
  assert.equal(position.resumeFrom, 7n);
  assert.equal(place(position, event(7)), "new");
  position.opened();
  assert.equal(position.place(event(7, "other")), "lost");
  assert.equal(position.resumeFrom, 1n);
});
