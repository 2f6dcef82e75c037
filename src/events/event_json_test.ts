import assert from "node:assert/strict";
import { createEvent, StreamType } from "./event.ts";
import { eventToJson } from "./event_json.ts";

Deno.test("an event has the JSON form of its protobuf message", () => {
  const event = createEvent(2n ** 60n, Date.UTC(2026, 0, 1), {
    case: "outputBatch",
    value: {
      outputs: [{ output: new Uint8Array([0xff, 0]), streamType: StreamType.STDERR, timestampDeltaMs: 5 }],
      startSequence: 2n ** 60n,
      endSequence: 2n ** 60n,
      firstTimestampMs: 1n,
    },
  });
  const json = eventToJson(event);
  assert.equal(json?.sequence, "1152921504606846976");
  assert.equal(json?.timestamp, "2026-01-01T00:00:00Z");
  assert.deepEqual((json?.outputBatch as { outputs: unknown }).outputs, [
    { output: "/wA=", streamType: "STREAM_TYPE_STDERR", timestampDeltaMs: 5 },
  ]);
});

Deno.test("what one signs in with to clone a repository is not shown", () => {
  const of = (repository: string) => {
    const json = eventToJson(createEvent(1n, 0, { case: "gitCloneStart", value: { repository } }));
    return (json?.gitCloneStart as { repository: string }).repository;
  };
  assert.equal(of("https://user:pass@word@example.com/a.git"), "https://***@example.com/a.git");
  assert.equal(of("https://token@example.com"), "https://***@example.com");
  assert.equal(of("https://example.com/a@b"), "https://example.com/a@b");
  assert.equal(of("git@example.com:a.git"), "git@example.com:a.git");
  const failed = eventToJson(createEvent(1n, 0, {
    case: "gitCloneError",
    value: {
      errorMessage: "exit 128",
      stderrOutput: "fatal: 'https://u:p@example.com/a' not found, ssh://h/b",
    },
  }));
  assert.equal(
    (failed?.gitCloneError as { stderrOutput: string }).stderrOutput,
    "fatal: 'https://***@example.com/a' not found, ssh://h/b",
  );
});

Deno.test("an event that has no JSON form is told as such", () => {
  const event = createEvent(1n, 0, { case: "processStart", value: {} });
  event.timestamp!.seconds = 2n ** 62n;
  assert.equal(eventToJson(event), undefined);
});
