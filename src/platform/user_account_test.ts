import assert from "node:assert/strict";
import { findUser } from "./user_account.ts";

Deno.test("a user is found with what belongs to it, as the system's own tools find it", async () => {
  const root = findUser("root");
  assert.deepEqual([root?.name, root?.uid, root?.gid], ["root", 0, 0]);
  const { stdout } = await new Deno.Command("getent", { args: ["passwd", "root"] }).output();
  const [, , , , , home, shell] = new TextDecoder().decode(stdout).trim().split(":");
  assert.deepEqual([root?.home, root?.shell], [home, shell]);
  const groups = await new Deno.Command("id", { args: ["-G", "root"] }).output();
  assert.equal(root?.groups.join(" "), new TextDecoder().decode(groups.stdout).trim());
});

Deno.test("a user that there is not is not found, whatever is in its name", () => {
  for (const name of ["no-such-user-here", "", "root\0", "root:x", "0"]) {
    assert.equal(findUser(name), undefined, JSON.stringify(name));
  }
});
