import assert from "node:assert/strict";
import { createHash, createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { runInMemory, type RunResult } from "../../../../tests/support/memory_context.ts";
import { loadCredentials } from "../../../client/credentials.ts";
import { readAuthorizedDirectory } from "../../../keys/authorized_directory.ts";
import { encodeBase58 } from "../../../platform/encoding/key_fingerprint.ts";
import { systemFiles } from "../../../platform/system_files.ts";

/** A home, and a directory of authorized keys, for one test. */
class Place implements Disposable {
  readonly home = Deno.makeTempDirSync({ prefix: "airunner-keys-" });
  readonly authorized = `${this.home}/authorized`;
  readonly credentials = `${this.home}/.airunner/credentials`;

  async run(words: string, expected = 0): Promise<RunResult> {
    const args = words.replaceAll("DIR", this.authorized).replaceAll("HOME", this.home).split(" ");
    const result = await runInMemory(args, { env: { HOME: this.home } });
    assert.equal(result.exitCode, expected, `${words}\n${result.stdout}${result.stderr}`);
    return result;
  }

  read(name: string): string {
    return Deno.readTextFileSync(`${this.credentials}/${name}`);
  }

  async fingerprintOf(name: string): Promise<string> {
    return (await loadCredentials(systemFiles, this.credentials, name))!.fingerprint;
  }

  /** What is authorized, as `NAME: ROLES`, `-` for a file that names none. */
  async mays(): Promise<string[]> {
    const { keys } = await readAuthorizedDirectory(systemFiles, this.authorized);
    return keys.map(({ name, roles, saysRoles }) => `${name}: ${saysRoles ? [...roles].join(" ") : "-"}`);
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.home, { recursive: true });
  }
}

function fingerprintOf(key: KeyObject | string): string {
  const der = createPublicKey(key).export({ type: "spki", format: "der" });
  return encodeBase58(createHash("sha256").update(der).digest());
}

Deno.test("a new pair is made, listed, shown and exported, and never replaced unasked", async () => {
  using place = new Place();
  const made = await place.run("keys new ci");
  const fingerprint = await place.fingerprintOf("ci");
  assert.ok(made.stdout.includes(fingerprint), made.stdout);
  assert.match(
    made.stdout,
    /It is the default here\.[^]*airunner keys authorize \S+ci\.pub --authorized-keys=DIR/,
  );
  await place.run("keys new second --org=acme --principal=eve");

  const list = await place.run("keys list");
  assert.match(list.stdout, new RegExp(`^\\* ci +${fingerprint} +whole$`, "m"));
  assert.match(list.stdout, /^ {2}second /m);
  const shown = await place.run("keys show second");
  assert.match(shown.stdout, /Organisation +acme\nPrincipal +eve\n[^]*-----BEGIN PUBLIC KEY-----/);
  assert.equal((await place.run("keys export ci")).stdout, place.read("ci.pub"));

  const before = place.read("ci.key");
  const refused = await place.run("keys new ci", 78);
  assert.match(refused.stderr, /a key of that name exists already.*add --force/);
  assert.equal(place.read("ci.key"), before);
  for (const output of [made, list, shown]) assert.doesNotMatch(output.stdout, /PRIVATE KEY-----/);
  await place.run("keys new ../x", 78);
});

Deno.test("with --force the pair of before is kept under another name, and can still be used", async () => {
  using place = new Place();
  await place.run("keys new ci");
  const old = await place.fingerprintOf("ci");
  const { stdout } = await place.run("keys new ci --force");
  const kept = /kept as (\S+?)\.\n/.exec(stdout)![1];
  assert.equal(kept, `ci.${old.slice(0, 8)}`);
  assert.equal(await place.fingerprintOf(kept), old);
  assert.notEqual(await place.fingerprintOf("ci"), old);
});

Deno.test("what is missing of a pair is said, with exit code 3", async () => {
  using place = new Place();
  await place.run("keys new one");
  await place.run("keys new two");
  Deno.removeSync(`${place.credentials}/one.key`);
  Deno.removeSync(`${place.credentials}/two.pub`);
  Deno.chmodSync(`${place.credentials}/two.key`, 0o644);
  const { stdout } = await place.run("keys list", 3);
  assert.match(stdout, /one .*one\.key is missing/);
  assert.match(stdout, /two .*others may read two\.key; two\.pub is missing/);
  const json = JSON.parse((await place.run("keys list --json", 3)).stdout);
  assert.deepEqual(json.keys[0].faults, ["one.key is missing"]);
  const { stderr } = await place.run("keys show two", 78);
  assert.match(stderr, /two\.pub: no such file\. With the private key there, this makes it again: openssl/);
  assert.match(
    (await place.run("keys list --authorized-keys=DIR", 1)).stderr,
    /Cannot read the authorized keys/,
  );
});

/** As `openssl ecparam -name secp384r1 -genkey -noout` writes one. */
const P_384 = `-----BEGIN EC PRIVATE KEY-----
MIGkAgEBBDCe9uiOkX9SXcm91It0y4930exFVIB51WXkmfmdOe2BYRjrOzPQHu3b
VXJ4+Lpg3AigBwYFK4EEACKhZANiAATv8O16HdilLUoUwbCHgzq9DGeUDRxIFrMX
y0O4DQLkmExFKpGoSbDaaw6ErTBA2uUbsa6iwtWeXDKYnh7LBiZ+7FIBmxbD91Tq
FDUZYTior49iNfe9mr/4yt60Jqtj2i4=
-----END EC PRIVATE KEY-----
`;

Deno.test("keys of other programs are imported in both forms, and those on other curves are refused by name", async () => {
  using place = new Place();
  for (const type of ["sec1", "pkcs8"] as const) {
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
    const path = `${place.home}/${type}.pem`;
    Deno.writeTextFileSync(path, privateKey.export({ type, format: "pem" }) as string);
    await place.run(`keys import ${path}`);
    assert.equal(await place.fingerprintOf(type), fingerprintOf(privateKey));
    assert.match(place.read(`${type}.key`), /^-----BEGIN EC PRIVATE KEY-----/);
    assert.equal(fingerprintOf(place.read(`${type}.key`)), fingerprintOf(privateKey));
    assert.equal(fingerprintOf(place.read(`${type}.pub`)), fingerprintOf(privateKey));
  }
  const ec = (namedCurve: string) => generateKeyPairSync("ec", { namedCurve }).privateKey;
  const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
  const cases: [string, string, RegExp][] = [
    [
      "p384",
      P_384,
      /on the curve P-384, and only/,
    ],
    [
      "p384-8",
      ec("secp384r1").export({ type: "pkcs8", format: "pem" }) as string,
      /on the curve P-384, and only/,
    ],
    ["rsa8", rsa.export({ type: "pkcs8", format: "pem" }) as string, /a key for RSA, and only/],
    ["rsa1", rsa.export({ type: "pkcs1", format: "pem" }) as string, /a key for RSA, and only/],
    ["public", place.read("sec1.pub"), /holds no "EC PRIVATE KEY" or "PRIVATE KEY" block/],
    ["cut", "-----BEGIN PRIVATE KEY-----\nMIGHAgEA\n-----END PRIVATE KEY-----\n", /damaged, or not a key on/],
  ];
  for (const [name, text, reason] of cases) {
    Deno.writeTextFileSync(`${place.home}/${name}`, text);
    const { stderr } = await place.run(`keys import HOME/${name}`, 1);
    assert.match(stderr, reason, `${name}: ${stderr}`);
  }
  assert.match((await place.run("keys import HOME/none", 1)).stderr, /no such file/);
  await place.run("keys import HOME/sec1.pem", 78);
});

/** OpenSSL's form of a key on secp256k1: its number is one on P-256 too. */
const SECP256K1 = `-----BEGIN EC PRIVATE KEY-----
MC4CAQEEIAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBoAcGBSuBBAAK
-----END EC PRIVATE KEY-----
`;

Deno.test("a key on another curve of the same size is not taken for one on ours", async () => {
  using place = new Place();
  Deno.writeTextFileSync(`${place.home}/k1.pem`, SECP256K1);
  assert.match((await place.run("keys import HOME/k1.pem", 1)).stderr, /on the curve secp256k1, and only/);
});

Deno.test("a private key is exported only when asked for, to a file for its owner alone that was not there", async () => {
  using place = new Place();
  await place.run("keys new ci");
  assert.match((await place.run("keys export ci --private", 2)).stderr, /not shown unasked: .*--output=FILE/);
  const { stdout } = await place.run("keys export ci --private --output=HOME/out.key");
  assert.equal(stdout, "");
  const path = `${place.home}/out.key`;
  assert.equal(Deno.statSync(path).mode! & 0o777, 0o600);
  assert.equal(Deno.readTextFileSync(path), place.read("ci.key"));
  Deno.writeTextFileSync(path, "something else");
  assert.match(
    (await place.run("keys export ci --private --output=HOME/out.key", 1)).stderr,
    /left as it is/,
  );
  assert.equal(Deno.readTextFileSync(path), "something else");
  await place.run("keys export ci --private --output=HOME/out.key --force");
  assert.equal(Deno.readTextFileSync(path), place.read("ci.key"));
  assert.match((await place.run("keys export ci --private --output=-")).stdout, /^-----BEGIN EC PRIVATE KEY/);
  await place.run("keys export other", 78);
});

Deno.test("a key is authorized with its roles, which change only with --force, and revoked", async () => {
  using place = new Place();
  await place.run("keys new ci");
  const first = await place.run("keys authorize ci --authorized-keys=DIR --role submit --role read");
  assert.match(first.stdout, /^Authorized ci\n[^]*May +read, submit\n[^]*within 5 s/);
  assert.match(
    Deno.readTextFileSync(`${place.authorized}/ci.pub`),
    /^Roles: read, submit\n-----BEGIN PUBLIC/,
  );
  // Whoever runs the server can read it.
  assert.equal(Deno.statSync(place.authorized).mode! & 0o777, 0o755);
  await place.run("keys authorize ci --authorized-keys=DIR");
  await place.run("keys authorize ci --authorized-keys=DIR --role submit,read");
  assert.deepEqual(await place.mays(), ["ci: read submit"]);
  const refused = await place.run("keys authorize DIR/ci.pub --authorized-keys=DIR --role admin", 1);
  assert.match(refused.stderr, /already, as "ci", for read, submit\. Nothing was changed\.\nAdd --force/);
  await place.run("keys authorize DIR/ci.pub --authorized-keys=DIR --role admin --force");
  assert.deepEqual(await place.mays(), ["ci: admin"]);
  assert.match(
    (await place.run("keys authorize ci --authorized-keys=DIR --role boss", 2)).stderr,
    /expected any of read, submit, run, admin, found "boss"/,
  );
  assert.match((await place.run("keys list --authorized-keys=DIR")).stdout, /^ci +\S+ +admin$/m);

  await place.run("keys revoke ci --authorized-keys=DIR");
  assert.deepEqual(await place.mays(), []);
  assert.match((await place.run("keys revoke ci --authorized-keys=DIR", 1)).stderr, /No key in .* is "ci"/);
  assert.match((await place.run("keys revoke ci", 2)).stderr, /add --authorized-keys=DIR/);
  const all = await place.run("keys authorize ci --authorized-keys=DIR");
  assert.match(all.stdout, /May +everything, since no role was given[^]*--force --role ROLE/);
  assert.match(
    (await place.run("keys list --authorized-keys=DIR")).stdout,
    /ci .*everything \(its file names/,
  );
});

Deno.test("a rotated key stands beside the old one with the same roles, until the old one is revoked by its fingerprint", async () => {
  using place = new Place();
  await place.run("keys new ci");
  await place.run("keys authorize ci --authorized-keys=DIR --role run");
  const old = await place.fingerprintOf("ci");
  const rotated = await place.run("keys rotate ci");
  assert.match(rotated.stdout, new RegExp(`keys authorize \\S+ci\\.pub [^]*keys revoke ${old} `));
  const fresh = await place.fingerprintOf("ci");
  assert.equal(await place.fingerprintOf(`ci.${old.slice(0, 8)}`), old);
  const said = await place.run(`keys authorize ${place.credentials}/ci.pub --authorized-keys=DIR`);
  assert.match(said.stdout, new RegExp(`beside the older key of that name, ${old}`));
  assert.deepEqual(await place.mays(), ["ci: run", `ci.${fresh.slice(0, 8)}: run`]);
  const several = await place.run("keys revoke ci --authorized-keys=DIR", 1);
  assert.match(several.stderr, /more than one key\. Nothing was changed/);
  await place.run(`keys revoke ${old} --authorized-keys=DIR`);
  assert.deepEqual(await place.mays(), [`ci.${fresh.slice(0, 8)}: run`]);
  await place.run("keys rotate other", 78);
});

Deno.test("what is no key is not authorized, and does not hide that it is in the way", async () => {
  using place = new Place();
  await place.run("keys new ci");
  const { stderr } = await place.run(`keys authorize ${place.credentials}/ci.key --authorized-keys=DIR`, 1);
  assert.match(stderr, /it is a private key, which no server needs/);
  await place.run("keys authorize nobody --authorized-keys=DIR", 78);
  Deno.mkdirSync(place.authorized);
  Deno.writeTextFileSync(`${place.authorized}/ci.pub`, `Role: submit\n${place.read("ci.pub")}`);
  const way = await place.run("keys authorize ci --authorized-keys=DIR --role run", 1);
  assert.match(way.stderr, /which is no key: .*its line "Role: submit" does not say which roles it has/);
  assert.match(
    (await place.run("keys list --authorized-keys=DIR", 3)).stdout,
    /ci\.pub +- +nothing: its line/,
  );
  await place.run("keys authorize ci --authorized-keys=DIR --role run --force");
  assert.deepEqual(await place.mays(), ["ci: run"]);
});
