import assert from "node:assert/strict";
import { NotifyReceiver } from "../../tests/support/notify_receiver.ts";
import { encodeAddress, sendNotification } from "./notify_socket.ts";

Deno.test("a notification arrives at a socket with a path, whole", async () => {
  const directory = Deno.makeTempDirSync({ prefix: "airunner-test-" });
  try {
    using receiver = new NotifyReceiver(`${directory}/notify`);
    sendNotification(receiver.address, "READY=1\nSTATUS=äöü");
    assert.equal(await receiver.receive(), "READY=1\nSTATUS=äöü");
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});

Deno.test("a notification arrives at a socket with an abstract name", async () => {
  using receiver = new NotifyReceiver(`@airunner-test-${crypto.randomUUID()}`);
  sendNotification(receiver.address, "STOPPING=1");
  assert.equal(await receiver.receive(), "STOPPING=1");
});

Deno.test("a socket where nobody listens is an error", () => {
  assert.throws(
    () => sendNotification("/nonexistent/notify", "READY=1"),
    /Cannot send .*\/nonexistent\/notify/,
  );
});

Deno.test("an address is a short absolute path or an abstract name", () => {
  assert.deepEqual([...encodeAddress("/a")], [1, 0, 0x2f, 0x61]);
  assert.deepEqual([...encodeAddress("@a")], [1, 0, 0, 0x61]);
  for (const address of ["", "relative", "vsock:2:1", "/", "/" + "a".repeat(107)]) {
    assert.throws(() => encodeAddress(address), RangeError, address);
  }
});
