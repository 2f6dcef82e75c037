import assert from "node:assert/strict";
import { systemFiles } from "../platform/system_files.ts";
import { createHash, createPrivateKey, createPublicKey } from "node:crypto";
import { join } from "node:path";
import { createCredentials } from "./create_credentials.ts";
import { loadCredentials } from "./credentials.ts";
import { CredentialsError } from "./credentials_error.ts";
import { encodeBase58 } from "../platform/encoding/key_fingerprint.ts";

const identity = { org: "org-1", principal: "principal-1" };

Deno.test("created credentials can be loaded, and other programs can read their keys", async () => {
  const parent = Deno.makeTempDirSync();
  const directory = join(parent, "credentials");
  try {
    const created = await createCredentials(systemFiles, directory, "worker", identity, 0);
    const { fingerprint, privateKeyPath, publicKeyPath } = created;
    assert.equal((await loadCredentials(systemFiles, directory))?.fingerprint, fingerprint);
    const mode = (path: string) => Deno.statSync(path).mode! & 0o777;
    assert.deepEqual([directory, privateKeyPath, publicKeyPath].map(mode), [0o700, 0o600, 0o644]);

    const privatePem = Deno.readTextFileSync(privateKeyPath);
    assert.match(privatePem, /^-----BEGIN EC PRIVATE KEY-----\n/);
    const exported = { type: "spki", format: "der" } as const;
    for (
      const key of [
        createPublicKey(createPrivateKey(privatePem)),
        createPublicKey(Deno.readTextFileSync(publicKeyPath)),
      ]
    ) {
      assert.equal(encodeBase58(createHash("sha256").update(key.export(exported)).digest()), fingerprint);
    }

    const second = await createCredentials(systemFiles, directory, "second", identity, 0);
    assert.equal((await loadCredentials(systemFiles, directory))?.name, "worker");
    assert.equal((await loadCredentials(systemFiles, directory, "second"))?.fingerprint, second.fingerprint);
    await assert.rejects(
      createCredentials(systemFiles, directory, "worker", identity, 0),
      (error) => error instanceof CredentialsError && /exists already/.test(error.message),
    );
    assert.equal((await loadCredentials(systemFiles, directory))?.fingerprint, fingerprint);
    await assert.rejects(createCredentials(systemFiles, directory, "../x", identity, 0), CredentialsError);
  } finally {
    Deno.removeSync(parent, { recursive: true });
  }
});
