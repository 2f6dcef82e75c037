import assert from "node:assert/strict";
import { join } from "node:path";
import { Code, ConnectError } from "@connectrpc/connect";
import { ALL_ROLES } from "../keys/roles.ts";
import { silentLogger } from "../platform/logging/logger.ts";
import { createLogger } from "../platform/logging/text_logger.ts";
import { signToken } from "../client/jwt.ts";
import { ManualClock } from "../../tests/support/manual_clock.ts";
import { authenticate } from "./auth.ts";
import { encodeBase58, fingerprintOf } from "../platform/encoding/key_fingerprint.ts";
import { AuthorizedKeys } from "./authorized_keys.ts";
import { encodeBase64Url } from "../platform/encoding/base64url.ts";
import { systemFiles } from "../platform/system_files.ts";

const AUDIENCE = "http://127.0.0.1:8080";
const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const clock = new ManualClock();
const nowSeconds = clock.nowMs() / 1000;

interface Pair {
  privateKey: CryptoKey;
  publicKey: CryptoKey;
  fingerprint: string;
  pem: string;
}

async function createPair(): Promise<Pair> {
  const { privateKey, publicKey } = await crypto.subtle.generateKey(ALGORITHM, true, [
    "sign",
    "verify",
  ]) as CryptoKeyPair;
  const spki = new Uint8Array(await crypto.subtle.exportKey("spki", publicKey));
  const base64 = btoa(String.fromCharCode(...spki)).replace(/.{64}/g, "$&\n");
  const pem = `-----BEGIN PUBLIC KEY-----\n${base64}\n-----END PUBLIC KEY-----\n`;
  return { privateKey, publicKey, fingerprint: await fingerprintOf(spki), pem };
}

const pair = await createPair();
const keys = {
  find: (fingerprint: string) =>
    Promise.resolve(
      fingerprint === pair.fingerprint ? { name: "ci", key: pair.publicKey, roles: ALL_ROLES } : undefined,
    ),
};
const options = { keys, audiences: [AUDIENCE, "https://ci.example.com"], clock };

/** A good token, but for what is changed. */
async function token(claims: object = {}, header: object = {}, signer = pair): Promise<string> {
  const encode = (value: object) => encodeBase64Url(new TextEncoder().encode(JSON.stringify(value)));
  const good = {
    iss: "airunner-cli",
    sub: pair.fingerprint,
    aud: [AUDIENCE],
    iat: nowSeconds,
    exp: nowSeconds + 3_600,
    roles: ["worker"],
  };
  const text = `${encode({ alg: "ES256", kid: pair.fingerprint, ...header })}.${
    encode({ ...good, ...claims })
  }`;
  const signature = await crypto.subtle.sign(ALGORITHM, signer.privateKey, new TextEncoder().encode(text));
  return `${text}.${encodeBase64Url(new Uint8Array(signature))}`;
}

/** For a server that takes the public key, which everybody has, for the secret of an HMAC. */
async function signedWithPublicKey(): Promise<string> {
  const [, claims] = (await token()).split(".");
  const encode = (text: string) => new TextEncoder().encode(text);
  const header = encodeBase64Url(encode(JSON.stringify({ alg: "HS256", kid: pair.fingerprint })));
  const hmac = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", encode(pair.pem), hmac, false, ["sign"]);
  const signature = await crypto.subtle.sign(hmac, key, encode(`${header}.${claims}`));
  return `${header}.${claims}.${encodeBase64Url(new Uint8Array(signature))}`;
}

async function reasonFor(authorization: string | null): Promise<string | undefined> {
  try {
    await authenticate(authorization, options);
    return undefined;
  } catch (error) {
    assert.ok(error instanceof ConnectError && error.code === Code.Unauthenticated, String(error));
    return error.rawMessage;
  }
}

Deno.test("the token that our own worker signs is accepted", async () => {
  const claims = { audience: AUDIENCE, subject: pair.fingerprint, org: "o", principalId: "p" };
  assert.equal(
    await reasonFor(`Bearer ${await signToken(pair.privateKey, claims, clock.nowMs())}`),
    undefined,
  );
});

Deno.test("audiences are compared as URLs, and any of the server's own will do", async () => {
  for (const aud of [AUDIENCE, [`${AUDIENCE}/`], ["https://other", "https://CI.example.com:443/"]]) {
    assert.equal(await reasonFor(`Bearer ${await token({ aud })}`), undefined, String(aud));
  }
});

Deno.test("clocks may be a minute apart, and no more", async () => {
  const accepted = [{ exp: nowSeconds - 59 }, { iat: nowSeconds + 60 }];
  for (const claims of accepted) assert.equal(await reasonFor(`Bearer ${await token(claims)}`), undefined);
  const refused: [object, RegExp][] = [
    [{ exp: nowSeconds - 60 }, /has expired/],
    [{ iat: nowSeconds + 61 }, /from the future/],
    [{ nbf: nowSeconds + 61 }, /from the future/],
    [{ exp: undefined }, /no exp or no iat/],
    [{ exp: "9999999999" }, /no exp or no iat/],
  ];
  for (const [claims, reason] of refused) {
    assert.match((await reasonFor(`Bearer ${await token(claims)}`))!, reason);
  }
});

Deno.test("whatever is not a token of an authorized key for this server is refused, with the reason", async () => {
  const stranger = await createPair();
  const good = await token();
  const [header, claims, signature] = good.split(".");
  const none = encodeBase64Url(
    new TextEncoder().encode(JSON.stringify({ alg: "none", kid: pair.fingerprint })),
  );
  const cases: [string | null, RegExp][] = [
    [null, /needs the header Authorization/],
    ["", /needs the header/],
    [good, /needs the header/],
    [`Basic ${good}`, /needs the header/],
    [`Bearer ${header}.${claims}`, /needs the header/],
    [`Bearer ${"a".repeat(9_000)}.b.c`, /needs the header/],
    ["Bearer a.b.c", /is not a JWT/],
    [`Bearer ${none}.${claims}.${signature}`, /not signed with ES256/],
    [`Bearer ${await token({}, { alg: "HS256" })}`, /not signed with ES256/],
    [`Bearer ${await signedWithPublicKey()}`, /not signed with ES256/],
    [`Bearer ${await token({}, { kid: 7 })}`, /does not name its key/],
    [`Bearer ${await token({}, { kid: undefined })}`, /does not name its key/],
    [`Bearer ${await token({}, { crit: ["exp"], exp: 1 })}`, /is not a JWT/],
    [`Bearer ${await token({}, { kid: stranger.fingerprint }, stranger)}`, /not authorized on this server/],
    [`Bearer ${await token({}, {}, stranger)}`, /signature is wrong/],
    [`Bearer ${header}.${claims.slice(0, -1)}A.${signature}`, /signature is wrong/],
    [`Bearer ${header}.${claims}.${signature.slice(0, -4)}`, /signature is wrong/],
    [`Bearer ${await token({ iss: "other" })}`, /issuer is another/],
    [`Bearer ${await token({ sub: stranger.fingerprint })}`, /subject is not the key/],
    [`Bearer ${await token({ aud: ["http://127.0.0.1:8081"] })}`, /for another server/],
    [`Bearer ${await token({ aud: undefined })}`, /for another server/],
    [`Bearer ${await token({ roles: ["reader"] })}`, /does not have the role "worker"/],
    [`Bearer ${await token({ roles: "worker" })}`, /does not have the role/],
  ];
  for (const [authorization, reason] of cases) {
    assert.match(await reasonFor(authorization) ?? "accepted", reason);
  }
});

Deno.test("keys come and go with their files, and a bad file costs no other key", async () => {
  const directory = Deno.makeTempDirSync();
  const lines: string[] = [];
  const clock = new ManualClock();
  try {
    Deno.writeTextFileSync(join(directory, "a.pub"), pair.pem);
    Deno.writeTextFileSync(join(directory, "notes.txt"), "not a key");
    const authorized = await AuthorizedKeys.load(
      systemFiles,
      directory,
      clock,
      createLogger("warn", (line) => lines.push(line)),
    );
    assert.ok(await authorized.find(pair.fingerprint));

    const second = await createPair();
    Deno.writeTextFileSync(join(directory, "b.pub"), second.pem);
    Deno.writeTextFileSync(join(directory, "c.pub"), "nonsense");
    assert.equal(await authorized.find(second.fingerprint), undefined);
    clock.advance(5_001);
    assert.ok(await authorized.find(second.fingerprint));
    assert.equal(lines.length, 1);
    assert.match(
      lines[0],
      /^WRN A file among the authorized keys is not a key; it was left out path=.*c\.pub/,
    );

    Deno.removeSync(join(directory, "a.pub"));
    clock.advance(5_001);
    assert.equal(await authorized.find(pair.fingerprint), undefined);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
  clock.advance(5_001);
  await assert.rejects(AuthorizedKeys.load(systemFiles, directory, clock, silentLogger));
});

Deno.test("base 58 is Bitcoin's", () => {
  const encode = (text: string) => encodeBase58(new TextEncoder().encode(text));
  // From the test vectors of draft-msporny-base58.
  assert.equal(encode("Hello World!"), "2NEpo7TZRRrLZSi2U");
  assert.equal(encodeBase58(new Uint8Array([0, 0, 0x28, 0x7f, 0xb4, 0xcd])), "11233QC4");
  assert.equal(encodeBase58(new Uint8Array([0, 0])), "11");
  assert.equal(encodeBase58(new Uint8Array()), "");
});
