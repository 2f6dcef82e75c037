import assert from "node:assert/strict";
import { commandsOf, NOW_MS, SETTINGS, testProbe } from "../../tests/support/healthy_probe.ts";
import { ALL_ROLES } from "../keys/roles.ts";
import { runChecks } from "./finding.ts";
import { judgeAuthorizedKeys, judgeCertificate, KEY_CHECKS } from "./key_checks.ts";

const DAY_MS = 86_400_000;
const shownFor = (leftMs: number) =>
  ({
    kind: "shown",
    certificate: { names: ["ci.example"], notBeforeMs: 0, notAfterMs: NOW_MS + leftMs },
  }) as const;

Deno.test("a certificate's end is told fourteen days before, and is a problem when it has come", () => {
  const judge = (leftMs: number) => judgeCertificate(shownFor(leftMs), NOW_MS, ["renew it", "now"]);
  assert.equal(judge(14 * DAY_MS + 1).level, "ok");
  const soon = judge(14 * DAY_MS);
  assert.deepEqual([soon.level, soon.measured.days_left, commandsOf(soon)], ["warning", 14, ["renew it"]]);
  assert.match(soon.found, /^the certificate for ci\.example ends in 14 d/);
  assert.equal(judge(1).level, "warning");
  const ended = judge(0);
  assert.equal(ended.level, "problem");
  assert.match(ended.found, /ended on 2026-01-01: no client believes it\. What is unsent stays on disk/);
});

Deno.test("the server's own certificate is asked for where it speaks TLS, and the file is read where it is known", async () => {
  const asked: string[] = [];
  const certificateOf = async (settings: Partial<typeof SETTINGS>) => {
    const probe = testProbe({
      settings: { ...SETTINGS, ...settings },
      askCertificate: (server) => Promise.resolve((asked.push(server), shownFor(DAY_MS))),
      readCertificate: (path) => Promise.resolve((asked.push(path), shownFor(90 * DAY_MS))),
    });
    return (await runChecks(KEY_CHECKS, probe))[0];
  };
  assert.equal((await certificateOf({})).level, "ok");
  const [seen] = [await certificateOf({ server: "https://ci.example" })];
  assert.deepEqual([seen.level, commandsOf(seen)], ["warning", [
    "openssl s_client -connect ci.example:443 -servername ci.example </dev/null",
  ]]);
  assert.equal((await certificateOf({ tlsCert: "/etc/cert.pem" })).level, "ok");
  assert.equal((await certificateOf({ server: undefined })).level, "skipped");
  assert.deepEqual(asked, ["https://ci.example", "/etc/cert.pem"]);
});

Deno.test("keys without roles are told by name, and files that let nobody in are a problem", () => {
  const key = (name: string, saysRoles: boolean) => ({
    name,
    saysRoles,
    path: `/keys/${name}.pub`,
    fingerprint: name,
    roles: ALL_ROLES,
    pem: "",
    key: {} as CryptoKey,
  });
  const judge = (keys: ReturnType<typeof key>[], unusable: { path: string; reason: string }[] = []) =>
    judgeAuthorizedKeys("/keys", { kind: "read", keys, unusable });
  assert.equal(judge([key("ci", true)]).level, "ok");
  const unlimited = judge([key("ci", true), key("old", false)]);
  assert.equal(unlimited.level, "warning");
  assert.match(unlimited.found, /may do everything, because their files name no roles: old$/);
  assert.deepEqual(commandsOf(unlimited), [
    "airunner keys authorize /keys/old.pub --authorized-keys=/keys --force --role ROLE",
  ]);
  assert.equal(judge([], [{ path: "/keys/x.pub", reason: "it has no PUBLIC KEY block" }]).level, "problem");
  assert.equal(judgeAuthorizedKeys("/keys", { kind: "none", why: "it does not exist" }).level, "problem");
});
