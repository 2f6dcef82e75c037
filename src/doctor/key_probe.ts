/**
 * Looks at certificates and at authorized keys.
 */
import { readAuthorizedDirectory } from "../keys/authorized_directory.ts";
import { messageOf } from "../platform/error_text.ts";
import { type Files, isMissing } from "../platform/files.ts";
import type { Network } from "../platform/network.ts";
import { readCertificate, readCertificatePem } from "../platform/tls/certificate.ts";
import type { AuthorizedFacts, CertificateAnswer } from "./probe.ts";

/** As long as for any answer of a server. */
const ANSWER_MS_MAX = 5_000;

export async function askCertificate(server: string, network: Network): Promise<CertificateAnswer> {
  const { hostname, port } = new URL(server);
  try {
    const der = await network.certificateOf({ hostname, port: Number(port || 443) }, ANSWER_MS_MAX);
    return { kind: "shown", certificate: readCertificate(der) };
  } catch (error) {
    return { kind: "none", why: messageOf(error) };
  }
}

export async function readCertificateFile(path: string, files: Files): Promise<CertificateAnswer> {
  try {
    return { kind: "shown", certificate: readCertificatePem(await files.readText(path)) };
  } catch (error) {
    return { kind: "none", why: `${path}: ${whyNot(error)}` };
  }
}

export async function readAuthorizedKeys(directory: string, files: Files): Promise<AuthorizedFacts> {
  try {
    return { kind: "read", ...await readAuthorizedDirectory(files, directory) };
  } catch (error) {
    return { kind: "none", why: whyNot(error) };
  }
}

function whyNot(error: unknown): string {
  return isMissing(error) ? "it does not exist" : messageOf(error);
}
