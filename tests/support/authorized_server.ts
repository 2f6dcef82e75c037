/**
 * A server that asks who calls: keys with roles in a directory of authorized keys, and calls signed with
 * them.
 */
import { join } from "node:path";
import { signToken } from "../../src/client/jwt.ts";
import { generateKeyPems, importPrivateKey } from "../../src/client/private_key.ts";
import { formatAuthorizedFile } from "../../src/keys/authorized_file.ts";
import type { Role } from "../../src/keys/roles.ts";
import { fingerprintOf } from "../../src/platform/encoding/key_fingerprint.ts";
import { systemHost } from "../../src/platform/system_host.ts";
import { createLogger } from "../../src/platform/logging/text_logger.ts";
import { ManualClock } from "./manual_clock.ts";
import { TestServer } from "./running_server.ts";
import type { ServerClient } from "./server_client.ts";

export class AuthorizedServer implements AsyncDisposable {
  readonly clock = new ManualClock(Date.now());
  readonly directory = Deno.makeTempDirSync({ prefix: "airunner-keys-" });
  readonly lines: string[] = [];
  #server!: TestServer;

  static async start(): Promise<AuthorizedServer> {
    const server = new AuthorizedServer();
    server.#server = await TestServer.start({
      host: { ...systemHost, clock: server.clock },
      authorizedKeysDir: server.directory,
      logger: createLogger("info", (line) => server.lines.push(line)),
    });
    return server;
  }

  get url(): string {
    return this.#server.url;
  }

  /** Writes a new key's file; undefined: without roles. */
  async addKey(name: string, roles: readonly Role[] | undefined): Promise<TestKey> {
    const pems = await generateKeyPems();
    const { signingKey } = await importPrivateKey(pems.privatePem);
    const key = { name, signingKey, pem: pems.publicPem, fingerprint: await fingerprintOf(pems.spki) };
    this.writeKey(key, roles);
    return key;
  }

  writeKey({ name, pem }: TestKey, roles: readonly Role[] | undefined): void {
    Deno.writeTextFileSync(this.pathOf(name), formatAuthorizedFile(pem, roles && new Set(roles)));
  }

  pathOf(name: string): string {
    return join(this.directory, `${name}.pub`);
  }

  /** Lets what the server knows of the directory become too old. */
  age(): void {
    this.clock.advance(4_001);
  }

  async authorizationOf({ signingKey, fingerprint }: TestKey): Promise<string> {
    const claims = { audience: this.url, subject: fingerprint, org: "o", principalId: "p" };
    return `Bearer ${await signToken(signingKey, claims, this.clock.nowMs())}`;
  }

  async client(key: TestKey): Promise<ServerClient> {
    return this.#server.client({ headers: { Authorization: await this.authorizationOf(key) } });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Time passes for a server that stops, or it would wait for ever for calls that did not end.
    let isStopped = false;
    const stopped = this.#server[Symbol.asyncDispose]().finally(() => isStopped = true);
    while (!isStopped) {
      this.clock.advance(1_000);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    await stopped;
    Deno.removeSync(this.directory, { recursive: true });
  }
}

export interface TestKey {
  readonly name: string;
  readonly signingKey: CryptoKey;
  readonly fingerprint: string;
  readonly pem: string;
}
