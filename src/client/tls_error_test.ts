import assert from "node:assert/strict";
import { CaFileError } from "./ca_file_error.ts";
import { readCaCertificates } from "./ca_certificates.ts";
import { explainTlsError } from "./tls_error.ts";
import { systemFiles } from "../platform/system_files.ts";

Deno.test("failures of TLS are explained with what to type, and others are not touched", () => {
  // As the runtime says them, on real connections; tests/tls_test.ts makes some of them.
  const cases: [string, RegExp][] = [
    [
      "client error (Connect): invalid peer certificate: UnknownIssuer",
      /not trusted: .*--ca-file=FILE .*\[invalid peer/,
    ],
    [
      "client error (Connect): invalid peer certificate: certificate expired: verification time 1795577525 (UNIX), " +
      "but certificate is not valid after 1790393525 (5184000 seconds ago)",
      /has expired, or the clock/,
    ],
    [
      "invalid peer certificate: certificate not valid yet: verification time 1",
      /not valid yet, or the clock/,
    ],
    [
      'invalid peer certificate: certificate not valid for name "localhost"; certificate is only valid for ' +
      'DnsName("other.example") or IpAddress(10.0.0.1)',
      /^the server's certificate is for another name than localhost: other\.example, 10\.0\.0\.1\. Use one of/,
    ],
    ["invalid peer certificate: Other(OtherError(CaUsedAsEndEntity))", /is an authority's/],
    [
      "invalid peer certificate: BadSignature",
      /cannot be believed \[invalid peer certificate: BadSignature\]/,
    ],
    ["received corrupt message of type InvalidContentType", /speaks no TLS\. .*http:\/\//],
    ["received fatal alert: HandshakeFailure", /no TLS that is understood here/],
  ];
  for (const [message, meaning] of cases) assert.match(explainTlsError(message) ?? "not explained", meaning);
  for (const message of ["connection refused", "client error (Connect): dns error", ""]) {
    assert.equal(explainTlsError(message), undefined);
  }
});

Deno.test("certificates to trust come from the setting and from SSL_CERT_FILE, and what is none is refused by name", async () => {
  const directory = Deno.makeTempDirSync();
  const pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
  const [one, two, none] = ["one", "two", "none"].map((name) => `${directory}/${name}`);
  const read = (caFile: string | undefined, variable?: string) =>
    readCaCertificates(caFile, {
      files: systemFiles,
      env: (name) => name === "SSL_CERT_FILE" ? variable : "",
    });
  try {
    Deno.writeTextFileSync(one, pem);
    Deno.writeTextFileSync(two, `${pem}${pem}`);
    Deno.writeTextFileSync(none, "nonsense");
    assert.deepEqual(await read(undefined), []);
    assert.deepEqual(await read(one, two), [pem, `${pem}${pem}`]);
    assert.deepEqual(await read(one, ""), [pem]);
    const refused: [() => Promise<string[]>, RegExp][] = [
      [() => read(none), /of --ca-file: .*none: it has no CERTIFICATE block/],
      [() => read(one, `${directory}/x`), /of SSL_CERT_FILE: .*x: no such file/],
      [() => read(directory), /of --ca-file: .*directory/i],
    ];
    for (const [reading, why] of refused) {
      await assert.rejects(reading(), (error) => error instanceof CaFileError && why.test(error.message));
    }
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});
