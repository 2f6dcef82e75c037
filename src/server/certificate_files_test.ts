import assert from "node:assert/strict";
import { installCertificate, testCertificate } from "../../tests/support/certificates.ts";
import { ManualClock } from "../../tests/support/manual_clock.ts";
import { within } from "../../tests/support/within.ts";
import { createLogger } from "../platform/logging/text_logger.ts";
import { systemFiles } from "../platform/system_files.ts";
import type { CertificatePair } from "../platform/tls/certificate.ts";
import { CertificateFiles, readCertificateFiles } from "./certificate_files.ts";

const DAY_MS = 86_400_000;
const START_MS = Date.UTC(2026, 0, 1);
const certificate = (days = 30) => testCertificate({ nowMs: START_MS, days });

/** Files that are followed by a clock of the test's. */
class Followed implements AsyncDisposable {
  readonly directory = Deno.makeTempDirSync({ prefix: "airunner-tls-" });
  readonly clock = new ManualClock(START_MS);
  readonly lines: string[] = [];
  readonly renewed: CertificatePair[] = [];
  refuse: string | undefined;
  #followed!: CertificateFiles;

  static async start(pair: CertificatePair): Promise<Followed> {
    const test = new Followed();
    installCertificate(pair, test.directory);
    const paths = { certFile: `${test.directory}/cert.pem`, keyFile: `${test.directory}/key.pem` };
    test.#followed = await CertificateFiles.follow({
      files: systemFiles,
      clock: test.clock,
      logger: createLogger("info", (line) => test.lines.push(line)),
      paths,
      renew(renewed) {
        if (test.refuse !== undefined) throw new TypeError(test.refuse);
        test.renewed.push(renewed);
      },
    }, await readCertificateFiles(systemFiles, paths));
    return test;
  }

  /** Lets the files be looked at once, and that be over. */
  async look(): Promise<void> {
    await within(this.clock.pass(5_000), () => "nobody waits for the next look");
    await within(this.clock.sleeping(5_000), () => "the look does not end");
  }

  reload(): Promise<void> {
    return this.#followed.reload();
  }

  // deno-lint-ignore require-await
  async [Symbol.asyncDispose](): Promise<void> {
    this.#followed.stop();
    Deno.removeSync(this.directory, { recursive: true });
  }
}

Deno.test("a renewed pair is taken within a look, and files that stay are not read again", async () => {
  const [old, renewed] = [await certificate(), await certificate(60)];
  await using test = await Followed.start(old);
  await test.look();
  assert.deepEqual(test.renewed, []);
  installCertificate(renewed, test.directory);
  await test.look();
  assert.deepEqual(test.renewed, [renewed]);
  assert.match(test.lines.join("\n"), /INF Speaking TLS with a renewed certificate; .*names="?localhost/);
  await test.look();
  await test.reload();
  assert.equal(test.renewed.length, 1);
});

Deno.test("a pair that cannot be used is said once, and the next good one is taken", async () => {
  const [old, renewed] = [await certificate(), await certificate(60)];
  await using test = await Followed.start(old);
  const errors = () => test.lines.filter((line) => line.startsWith("ERR Cannot use the new certificate"));
  test.refuse = "do not belong together";
  installCertificate({ cert: renewed.cert, key: old.key }, test.directory);
  await test.look();
  await test.reload();
  assert.equal(errors().length, 1);
  assert.match(errors()[0], /the one of before stays in force.*do not belong together/);
  test.refuse = undefined;
  installCertificate(await testCertificate({ nowMs: START_MS - 60 * DAY_MS }), test.directory);
  await test.look();
  assert.match(errors()[1], /it has ended already/);
  Deno.removeSync(`${test.directory}/key.pem`);
  await test.look();
  assert.match(errors()[2], /key\.pem cannot be read: no such file/);
  assert.deepEqual(test.renewed, []);
  installCertificate(renewed, test.directory);
  await test.look();
  assert.deepEqual(test.renewed, [renewed]);
});

Deno.test("that a certificate ends soon is said once a day", async () => {
  await using test = await Followed.start(await certificate(20));
  const warnings = () => test.lines.filter((line) => line.startsWith("WRN The certificate ends soon"));
  await test.look();
  assert.equal(warnings().length, 0);
  test.clock.advance(6 * DAY_MS);
  await test.clock.sleeping(5_000);
  await test.look();
  assert.equal(warnings().length, 1);
  await test.look();
  assert.equal(warnings().length, 1);
  test.clock.advance(DAY_MS);
  await test.clock.sleeping(5_000);
  await test.look();
  assert.equal(warnings().length, 2);
  test.clock.advance(14 * DAY_MS);
  await test.clock.sleeping(5_000);
  await test.look();
  assert.match(test.lines.at(-1)!, /^WRN The certificate has ended, and clients refuse it/);
});
