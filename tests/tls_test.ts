/**
 * TLS with the compiled binary: server, worker and client commands over it, what they say of certificates
 * that cannot be believed, and a certificate that is renewed while a job's output is followed.
 */
import assert from "node:assert/strict";
import { type Program, Sandbox } from "./support/airunner.ts";
import { installCertificate, testCertificate } from "./support/certificates.ts";
import { readCertificatePem } from "../src/platform/tls/certificate.ts";
import { portsOf, RawClient } from "./support/tcp.ts";
import { within } from "./support/within.ts";

/** A server with a certificate of the test's in DIRECTORY/cert.pem. */
async function startServer(sandbox: Sandbox, ...args: string[]): Promise<{ program: Program; url: string }> {
  const program = sandbox.start([
    "server",
    "--listen=127.0.0.1:0",
    `--data=${sandbox.directory}/server.db`,
    ...args,
  ]);
  const [, port] = await within(
    program.waitFor(/Listening on https:\/\/127\.0\.0\.1:(\d+)/),
    () => program.stderr,
  );
  return { program, url: `https://localhost:${port}` };
}

function tlsArgs({ directory }: Sandbox): string[] {
  return [`--tls-cert=${directory}/cert.pem`, `--tls-key=${directory}/key.pem`];
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

Deno.test("server --dev-tls says what clients type, and that is enough for a job", async () => {
  await using sandbox = new Sandbox();
  const { program } = await startServer(sandbox, "--dev-tls");
  const [, caFile, server] = await within(
    program.waitFor(/export AIRUNNER_CA_FILE=(\S+)\n +export AIRUNNER_SERVER=(\S+)\n/),
    () => program.stderr,
  );
  for (const name of ["dev-cert.pem", "dev-key.pem"]) {
    assert.equal(Deno.statSync(`${sandbox.dataDir}/tls/${name}`).mode! & 0o777, 0o600);
  }
  const env = { AIRUNNER_CA_FILE: caFile, AIRUNNER_SERVER: server };
  sandbox.start(["worker", "--metrics-listen=off"], { env });
  const submitted = await sandbox.run(["submit", "--follow", "--", "sh", "-c", "echo over TLS; exit 3"], {
    env,
  });
  assert.equal(submitted.code, 3, submitted.stderr);
  assert.match(text(submitted.stdout), /\nover TLS\n$/);
  const again = { AIRUNNER_SERVER: server, SSL_CERT_FILE: caFile };
  assert.equal((await sandbox.run(["list"], { env: again })).code, 0);

  const curl = await new Deno.Command("curl", {
    args: ["-s", "--cacert", caFile, "--http2", "-w", "%{http_version}", `${server}/healthz`],
  }).output();
  assert.equal(text(curl.stdout), "ok\n2");
});

Deno.test("the certificate of --dev-tls is for the names that clients use, and is made anew when these change", async () => {
  await using sandbox = new Sandbox();
  const certificate = () => Deno.readTextFileSync(`${sandbox.dataDir}/tls/dev-cert.pem`);
  const names = async (...args: string[]) => {
    const { program } = await startServer(sandbox, "--dev-tls", ...args);
    await program.kill("SIGTERM");
    return readCertificatePem(certificate()).names;
  };
  const usual = ["localhost", "127.0.0.1", "::1"];
  assert.deepEqual((await names()).slice(0, 3), usual);
  const first = certificate();
  await names();
  assert.equal(certificate(), first);
  assert.ok((await names("--public-url=https://ci.example.com")).includes("ci.example.com"));
  assert.notEqual(certificate(), first);
});

Deno.test("what is wrong with a certificate is said, with what to type, and nothing is sent", async () => {
  await using sandbox = new Sandbox();
  const trusted = `${sandbox.directory}/cert.pem`;
  const cases: [object, string, RegExp][] = [
    [{}, "", /certificate is not trusted: .*--ca-file=FILE \(AIRUNNER_CA_FILE, SSL_CERT_FILE\)/],
    [
      { names: ["other.example"] },
      trusted,
      /is for another name than localhost: other\.example\. Use one of/,
    ],
    [{ nowMs: Date.now() - 60 * 86_400_000 }, trusted, /has expired, or the clock of this machine is wrong/],
  ];
  for (const [certificate, caFile, said] of cases) {
    installCertificate(await testCertificate(certificate), sandbox.directory);
    const { program, url } = await startServer(sandbox, ...tlsArgs(sandbox));
    const env = { AIRUNNER_CA_FILE: caFile };
    const { code, stderr } = await sandbox.run(["submit", `--server=${url}`, "--", "true"], { env });
    assert.equal(code, 75, stderr);
    assert.match(stderr, said);
    await program.kill("SIGTERM");
  }
  const { code, stderr } = await sandbox.run([
    "list",
    "--server=https://localhost:1",
    "--ca-file=/nonexistent",
  ]);
  assert.equal(code, 78);
  assert.match(stderr, /Cannot trust the certificates of --ca-file: \/nonexistent: no such file/);
});

Deno.test("doctor trusts what clients trust, and warns fourteen days before a certificate ends", async () => {
  await using sandbox = new Sandbox();
  const { directory } = sandbox;
  for (const [days, status] of [[10, "warning"], [30, "ok"]] as const) {
    installCertificate(await testCertificate({ days }), directory);
    const { program, url } = await startServer(sandbox, ...tlsArgs(sandbox));
    const args = ["doctor", "--json", `--server=${url}`, "--metrics-listen=off"];
    const trusting = await sandbox.run([...args, `--ca-file=${directory}/cert.pem`]);
    const found = (output: Uint8Array) =>
      Object.fromEntries(
        JSON.parse(text(output)).checks.map((check: { id: string }) => [check.id, check]),
      );
    const { server, certificate } = found(trusting.stdout);
    assert.deepEqual([server.status, certificate.status], ["ok", status], trusting.stderr);
    assert.equal(certificate.measured.days_left, days - 1);
    assert.match(certificate.found, /^the certificate for localhost, 127\.0\.0\.1 /);
    const strange = found((await sandbox.run(args)).stdout);
    assert.equal(strange.server.status, "problem");
    assert.match(strange.server.found, /certificate is not trusted: .*--ca-file=FILE/);
    await program.kill("SIGTERM");
  }
});

Deno.test("a client that speaks plain HTTP to TLS is told so, and one that speaks TLS to plain HTTP says so", async () => {
  await using sandbox = new Sandbox();
  const { url } = await startServer(sandbox, "--dev-tls");
  const plain = await sandbox.run(["list", `--server=${url.replace("https", "http")}`]);
  assert.match(plain.stderr, /This port speaks TLS: the address begins with https:\/\//);
  await using plainSandbox = new Sandbox();
  const other = await plainSandbox.startServer();
  const { code, stderr } = await plainSandbox.run(["list", `--server=${other.url.replace("http", "https")}`]);
  assert.equal(code, 75);
  assert.match(
    stderr,
    /what listens there speaks no TLS\. If that is right, the address begins with http:\/\//,
  );
});

Deno.test("a renewed certificate is taken without a restart while a job's output is followed, and a bad one is not", async () => {
  await using sandbox = new Sandbox();
  const { directory } = sandbox;
  const [old, renewed] = [await testCertificate(), await testCertificate({ days: 60 })];
  installCertificate(old, directory);
  Deno.writeTextFileSync(`${directory}/old.pem`, old.cert);
  Deno.writeTextFileSync(`${directory}/renewed.pem`, renewed.cert);
  Deno.writeTextFileSync(`${directory}/both.pem`, old.cert + renewed.cert);
  const { program: server, url } = await startServer(sandbox, ...tlsArgs(sandbox));
  const args = [`--server=${url}`, `--ca-file=${directory}/both.pem`];
  sandbox.start(["worker", ...args, "--metrics-listen=off", "--flush-interval=10ms"]);
  // It says a line, and the next only when it may.
  const script = `echo one; while [ ! -e ${directory}/go ]; do sleep 0.1; done; echo two`;
  const follower = sandbox.start(["submit", ...args, "--follow", "--", "sh", "-c", script]);

  const listWith = (name: string) =>
    sandbox.run(["list", `--server=${url}`, `--ca-file=${directory}/${name}.pem`]).then(({ code }) => code);
  const isRunning = async () => {
    while (!/running/.test(text((await sandbox.run(["list", ...args])).stdout)));
  };
  await within(isRunning(), () => follower.stderr);
  // A key that is not the certificate's: what was there stays in force.
  installCertificate({ cert: renewed.cert, key: old.key }, directory);
  server.signal("SIGHUP");
  await within(
    server.waitFor(/Cannot use the new certificate; the one of before stays/),
    () => server.stderr,
  );
  assert.deepEqual([await listWith("old"), await listWith("renewed")], [0, 75]);
  // Nobody tells the server of this one.
  installCertificate(renewed, directory);
  await within(server.waitFor(/Speaking TLS with a renewed certificate/), () => server.stderr);
  assert.deepEqual([await listWith("old"), await listWith("renewed")], [75, 0]);

  Deno.writeTextFileSync(`${directory}/go`, "");
  const { code, stdout, stderr } = await within(follower.end(), () => follower.stderr);
  assert.equal(code, 0, stderr);
  assert.match(text(stdout), /\none\ntwo\n$/);
  assert.doesNotMatch(stderr, /trying again|lost/i);
});

Deno.test({
  name: "whoever connects to the port inside the server is cut off, and the server goes on",
  // Only root may see which ports another process has.
  ignore: Deno.uid() !== 0,
  async fn() {
    await using sandbox = new Sandbox();
    const { program, url } = await startServer(sandbox, "--dev-tls");
    const [inside, ...more] = [...portsOf(program.pid)].filter((port) => port !== Number(new URL(url).port));
    assert.deepEqual(more, []);
    for (let round = 0; round < 2; round++) {
      using stranger = await RawClient.connect(`http://127.0.0.1:${inside}`);
      assert.equal(await stranger.readToEnd(), "");
    }
    const env = { AIRUNNER_CA_FILE: `${sandbox.dataDir}/tls/dev-cert.pem` };
    const { code, stderr } = await sandbox.run(["list", `--server=${url}`], { env });
    assert.equal(code, 0, stderr + program.stderr);
  },
});

Deno.test("a server that cannot speak TLS says what is wrong, and does not start", async () => {
  await using sandbox = new Sandbox();
  const { directory } = sandbox;
  const [one, two] = [await testCertificate(), await testCertificate()];
  const start = async (...args: string[]) => {
    const { code, stderr } = await sandbox.run([
      "server",
      "--listen=127.0.0.1:0",
      `--data=${directory}/server.db`,
      ...args,
    ]);
    return `${code} ${stderr}`;
  };
  assert.match(await start(`--tls-cert=${directory}/cert.pem`), /^2 .*add --tls-key=FILE/s);
  assert.match(
    await start(...tlsArgs(sandbox)),
    /^1 .*cert\.pem cannot be read: no such file\. Check --tls-cert/s,
  );
  installCertificate({ cert: one.cert, key: two.key }, directory);
  assert.match(await start(...tlsArgs(sandbox)), /^1 .*do not belong together/s);
  assert.match(await start("--dev-tls", ...tlsArgs(sandbox)), /^2 .*Choose one: --dev-tls/s);
});
