import assert from "node:assert/strict";
import { ActingUser } from "./acting_user.ts";
import { isClosed } from "./owned_directory.ts";

const isRoot = Deno.uid() === 0;
/** Of no account: numbers are all that the kernel knows. */
const ACCOUNT = {
  name: "somebody",
  uid: 54321,
  gid: 54322,
  groups: [54322, 54323, 54324],
  home: "/",
  shell: "",
};

function statusOfThread(): string {
  const text = Deno.readTextFileSync("/proc/thread-self/status");
  return text.split("\n").filter((line) => /^(Uid|Gid|Groups|CapPrm|CapEff):/.test(line)).join("\n");
}

Deno.test({
  name: "a program that is started as the user has its groups, all of them and no others, and no capability",
  ignore: !isRoot,
  async fn() {
    using acting = new ActingUser(ACCOUNT);
    assert.deepEqual(acting.missing(["CAP_SETUID", "CAP_SETGID", "CAP_KILL", "CAP_CHOWN"]), []);
    const child = acting.run(() =>
      new Deno.Command("cat", { args: ["/proc/self/status"], uid: ACCOUNT.uid, stdout: "piped", cwd: "/" })
        .spawn()
    );
    const status = new TextDecoder().decode((await child.output()).stdout);
    const { uid, gid, groups } = ACCOUNT;
    assert.match(status, new RegExp(`^Uid:\t${uid}\t${uid}\t${uid}\t${uid}$`, "m"));
    assert.match(status, new RegExp(`^Gid:\t${gid}\t${gid}\t${gid}\t${gid}$`, "m"));
    assert.match(status, new RegExp(`^Groups:\t${groups.join(" ")} $`, "m"));
    for (const name of ["Inh", "Prm", "Eff", "Amb"]) {
      assert.match(status, new RegExp(`^Cap${name}:\t0{16}$`, "m"));
    }
  },
});

Deno.test({
  name: "what is closed to the user is closed within the call, and everything is as before after it",
  ignore: !isRoot,
  fn() {
    using acting = new ActingUser(ACCOUNT);
    const directory = Deno.makeTempDirSync();
    try {
      const before = statusOfThread();
      assert.equal(isClosed(directory), false);
      assert.equal(acting.run(() => isClosed(directory)), true);
      assert.equal(isClosed(directory), false);
      assert.equal(statusOfThread(), before);
      // The process's own user stays, or the user's processes could signal it.
      assert.match(acting.run(statusOfThread), /^Uid:\t0\t0\t0\t54321$/m);
      assert.throws(() =>
        acting.run(() => {
          throw new RangeError("on the way");
        }), RangeError);
      assert.equal(statusOfThread(), before);
    } finally {
      Deno.removeSync(directory);
    }
  },
});
