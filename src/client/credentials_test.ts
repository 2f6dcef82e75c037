import assert from "node:assert/strict";
import { systemFiles } from "../platform/system_files.ts";
import { createHash, generateKeyPairSync } from "node:crypto";
import { join } from "node:path";
import { type Credentials, loadCredentials } from "./credentials.ts";
import { CredentialsError } from "./credentials_error.ts";
import { encodeBase58 } from "../platform/encoding/key_fingerprint.ts";

interface Keys {
  privatePem: string;
  publicKey: Uint8Array<ArrayBuffer>;
  fingerprint: string;
}

function generateKeys(type: "sec1" | "pkcs8" = "sec1", namedCurve = "P-256"): Keys {
  const pair = generateKeyPairSync("ec", {
    namedCurve,
    privateKeyEncoding: { type, format: "pem" },
    publicKeyEncoding: { type: "spki", format: "der" },
  });
  const fingerprint = encodeBase58(createHash("sha256").update(pair.publicKey).digest());
  return { privatePem: pair.privateKey, publicKey: new Uint8Array(pair.publicKey), fingerprint };
}

async function withDirectory(test: (directory: string) => Promise<void>): Promise<void> {
  const directory = Deno.makeTempDirSync();
  try {
    await test(directory);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

function write(directory: string, keys: Keys, entry: Record<string, unknown> = {}): void {
  const credentials = {
    worker: {
      name: "worker",
      fingerprint: keys.fingerprint,
      org_id: "org-1",
      principal_id: "principal-1",
      ...entry,
    },
  };
  const config = JSON.stringify({ version: 1, default_credential: "worker", credentials });
  Deno.writeTextFileSync(join(directory, "config.json"), config);
  Deno.writeTextFileSync(join(directory, "worker.key"), keys.privatePem, { mode: 0o600 });
}

async function load(directory: string): Promise<Credentials> {
  const credentials = await loadCredentials(systemFiles, directory);
  assert.ok(credentials);
  return credentials;
}

async function errorOf(call: Promise<unknown>): Promise<CredentialsError> {
  const error = await call.then(() => assert.fail("They were loaded"), (error: unknown) => error);
  assert.ok(error instanceof CredentialsError, `${error}`);
  return error;
}

function decodePart(part: string): Record<string, unknown> {
  return JSON.parse(atob(part.replaceAll("-", "+").replaceAll("_", "/")));
}

Deno.test("base58 keeps leading zeros and drops nothing", () => {
  assert.equal(encodeBase58(new Uint8Array(0)), "");
  assert.equal(encodeBase58(new Uint8Array([0, 0, 1])), "112");
  assert.equal(encodeBase58(new TextEncoder().encode("Hello World!")), "2NEpo7TZRRrLZSi2U");
});

for (const type of ["sec1", "pkcs8"] as const) {
  Deno.test(`a ${type} key signs tokens that its public key verifies`, () =>
    withDirectory(async (directory) => {
      const keys = generateKeys(type);
      write(directory, keys);
      const credentials = await load(directory);
      assert.deepEqual([credentials.name, credentials.fingerprint], ["worker", keys.fingerprint]);

      const token = await credentials.token("https://ci.example.com", 1_700_000_000_999);
      const [header, payload, signature] = token.split(".");
      assert.deepEqual(decodePart(header), { alg: "ES256", typ: "JWT", kid: keys.fingerprint });
      assert.deepEqual(decodePart(payload), {
        iss: "airunner-cli",
        sub: keys.fingerprint,
        aud: ["https://ci.example.com"],
        iat: 1_700_000_000,
        exp: 1_700_003_600,
        org: "org-1",
        roles: ["worker"],
        principal_id: "principal-1",
      });
      const signed = new TextEncoder().encode(`${header}.${payload}`);
      const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
      const key = await crypto.subtle.importKey("spki", keys.publicKey, algorithm, false, ["verify"]);
      const signatureBytes = Uint8Array.fromBase64(signature, { alphabet: "base64url" });
      assert.ok(await crypto.subtle.verify(algorithm, key, signatureBytes, signed));
    }));
}

Deno.test("a token is used until shortly before it expires", () =>
  withDirectory(async (directory) => {
    write(directory, generateKeys());
    const credentials = await load(directory);
    const issuedMs = 1_700_000_000_000;
    const token = (afterMs: number, audience = "a") => credentials.token(audience, issuedMs + afterMs);
    const first = await token(0);
    assert.equal(await token(54 * 60_000), first);
    assert.notEqual(await token(0, "b"), first);
    const second = await token(55 * 60_000);
    assert.notEqual(second, first);
    assert.notEqual(await token(-1), second);
    const third = await token(0);
    credentials.discardToken();
    assert.notEqual(await token(1), third);
  }));

Deno.test("no config means no authentication, unless credentials were asked for", () =>
  withDirectory(async (directory) => {
    assert.equal(await loadCredentials(systemFiles, directory), undefined);
    assert.match(
      (await errorOf(loadCredentials(systemFiles, directory, "worker"))).message,
      /does not exist/,
    );
  }));

Deno.test("a key that others can read is refused with the command that helps", () =>
  withDirectory(async (directory) => {
    write(directory, generateKeys());
    const keyPath = join(directory, "worker.key");
    for (const mode of [0o640, 0o604, 0o601]) {
      Deno.chmodSync(keyPath, mode);
      const error = await errorOf(loadCredentials(systemFiles, directory));
      assert.equal(error.path, keyPath);
      assert.ok(error.message.endsWith(`chmod 600 ${keyPath}`), error.message);
    }
    Deno.chmodSync(keyPath, 0o400);
    await load(directory);
  }));

Deno.test("configurations that cannot be used say why", () =>
  withDirectory(async (directory) => {
    const keys = generateKeys();
    const configPath = join(directory, "config.json");
    for (
      const [text, why] of [
        ["{", /not valid JSON/],
        ["[]", /no object "credentials"/],
        ['{"credentials":{"worker":7}}', /no object "credentials"/],
        ['{"credentials":{}}', /names no default_credential/],
        [
          '{"default_credential":"other","credentials":{"worker":{}}}',
          /lists no credentials "other". It lists: worker/,
        ],
        ['{"default_credential":"toString","credentials":{}}', /lists no credentials "toString"/],
        ['{"default_credential":"../x","credentials":{"../x":{}}}', /cannot be used: a name is made of/],
      ] as const
    ) {
      Deno.writeTextFileSync(configPath, text);
      assert.match((await errorOf(loadCredentials(systemFiles, directory))).message, why);
    }
    write(directory, keys, { fingerprint: "another" });
    assert.match(
      (await errorOf(loadCredentials(systemFiles, directory))).message,
      /is not the one that config.json lists/,
    );
  }));

Deno.test("keys that cannot be used say why, and never what is in them", () =>
  withDirectory(async (directory) => {
    const keys = generateKeys();
    const lines = keys.privatePem.trim().split("\n");
    for (
      const [pem, why] of [
        ["nothing", /holds no/],
        [
          keys.privatePem.replace(lines[1], lines[1].slice(0, 20)),
          /damaged, or not a key on the curve P-256/,
        ],
        [keys.privatePem.replace(lines[1], "!" + lines[1]), /base64 is damaged/],
        [keys.privatePem.replace(lines[1], `Proc-Type: 4,ENCRYPTED\n${lines[1]}`), /password/],
        [generateKeys("sec1", "P-384").privatePem, /not a key on the curve P-256/],
      ] as const
    ) {
      write(directory, { ...keys, privatePem: pem });
      const error = await errorOf(loadCredentials(systemFiles, directory));
      assert.match(error.message, why);
      assert.ok(!error.message.includes(lines[1].slice(0, 20)));
    }
    Deno.removeSync(join(directory, "worker.key"));
    assert.match((await errorOf(loadCredentials(systemFiles, directory))).message, /Cannot read private key/);
  }));
