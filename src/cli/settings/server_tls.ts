/**
 * How `airunner server` is to speak TLS: with files that it was given, with a certificate that it makes
 * itself for a first try, or not at all.
 */
import type { CertificatePaths } from "../../server/certificate_files.ts";
import { messageOf } from "../../platform/error_text.ts";
import { type Files, isMissing } from "../../platform/files.ts";
import { writeSmallFile } from "../../platform/small_file.ts";
import { DAY_MS } from "../../platform/time_units.ts";
import { readCertificatePem } from "../../platform/tls/certificate.ts";
import { makeSelfSigned } from "../../platform/tls/self_signed.ts";
import { CommandError, UsageError } from "../command_error.ts";
import type { Context } from "../context.ts";
import { ExitCode } from "../../screens/exit_code.ts";

export interface TlsSettings {
  readonly tlsCert: string | undefined;
  readonly tlsKey: string | undefined;
  readonly publicUrl: string | undefined;
  readonly dataDir: string;
  readonly listen: { readonly hostname: string };
}

/** So long it is good: nobody should grow used to it. */
const DAYS = 90;
/** A certificate with less time left is made anew. */
const RENEW_BEFORE_MS = 14 * DAY_MS;

/** Undefined: without TLS. @throws {UsageError}, {CommandError} */
export async function tlsFiles(
  settings: TlsSettings,
  isDev: boolean,
  context: Context,
): Promise<CertificatePaths | undefined> {
  const { tlsCert: certFile, tlsKey: keyFile } = settings;
  if (certFile !== undefined && keyFile !== undefined) {
    if (!isDev) return { certFile, keyFile };
    throw new UsageError("Choose one: --dev-tls makes a certificate, and --tls-cert names one");
  }
  if (certFile !== undefined || keyFile !== undefined) {
    const missing = certFile === undefined ? "--tls-cert" : "--tls-key";
    throw new UsageError(`TLS needs a certificate and its key: add ${missing}=FILE`);
  }
  return isDev ? await devFiles(settings, context) : undefined;
}

/**
 * The files of a certificate of our own, for the names of this host; made when there is none that will do.
 */
async function devFiles(
  { dataDir, listen, publicUrl }: TlsSettings,
  context: Context,
): Promise<CertificatePaths> {
  const directory = `${dataDir}/tls`;
  const paths = { certFile: `${directory}/dev-cert.pem`, keyFile: `${directory}/dev-key.pem` };
  const names = namesFor([listen.hostname, publicUrl && new URL(publicUrl).hostname, context.hostname()]);
  const nowMs = context.clock.nowMs();
  if (await willDo(context.files, paths.certFile, names, nowMs)) return paths;
  const randomBytes = context.randomBytes(16);
  const { cert, key } = await makeSelfSigned({ names, nowMs, days: DAYS, randomBytes });
  try {
    await context.files.makeDirectory(directory);
    // The key first: a certificate without its key would pass for one that will do.
    for (const [path, text] of [[paths.keyFile, key], [paths.certFile, cert]]) {
      await writeSmallFile({ files: context.files, path, text, permissions: 0o600, replace: true });
    }
  } catch (cause) {
    throw new CommandError(
      `Cannot write a certificate to ${directory}: ${messageOf(cause)}`,
      ExitCode.FAILED,
      "Choose another place with --data-dir=DIR, or name a certificate with --tls-cert and --tls-key.",
      { cause },
    );
  }
  return paths;
}

/** This host, under the names that clients use for it. */
function namesFor(given: readonly (string | undefined)[]): string[] {
  const names = given.map((name) => (name ?? "").replace(/^\[|\]$/g, ""));
  const isName = (name: string) => /^[\w.:-]+$/.test(name) && name !== "0.0.0.0" && name !== "::";
  return [...new Set(["localhost", "127.0.0.1", "::1", ...names.filter(isName)])];
}

async function willDo(files: Files, path: string, names: readonly string[], nowMs: number): Promise<boolean> {
  let text: string;
  try {
    text = await files.readText(path);
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
  try {
    const certificate = readCertificatePem(text);
    return certificate.notAfterMs - nowMs > RENEW_BEFORE_MS &&
      names.every((name) => certificate.names.includes(name));
  } catch {
    // Whatever it is, it is our own file, and made anew.
    return false;
  }
}
