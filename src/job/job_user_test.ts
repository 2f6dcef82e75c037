import assert from "node:assert/strict";
import { environmentOf } from "./job_user.ts";

Deno.test("a job user's jobs inherit the worker's environment without what leads to the worker's home and login", () => {
  const account = { name: "ci", uid: 1, gid: 1, groups: [1], home: "/srv/ci", shell: "" };
  const workers = {
    PATH: "/usr/bin",
    LANG: "C.UTF-8",
    HOME: "/srv/worker",
    USER: "worker",
    SHELL: "/bin/bash",
    XDG_RUNTIME_DIR: "/run/user/0",
    XDG_CONFIG_HOME: "/srv/worker/.config",
    SSH_AUTH_SOCK: "/tmp/ssh-1/socket",
    SUDO_USER: "me",
    OLDPWD: "/srv/worker",
    GOFLAGS: "-mod=mod",
  };
  assert.deepEqual(environmentOf(account, workers), {
    PATH: "/usr/bin",
    LANG: "C.UTF-8",
    GOFLAGS: "-mod=mod",
    HOME: "/srv/ci",
    USER: "ci",
    LOGNAME: "ci",
    SHELL: "/bin/sh",
  });
});
