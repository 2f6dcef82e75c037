/**
 * Certificates that a client trusts beside the known authorities': those of `--ca-file`, and those of the
 * file that SSL_CERT_FILE names, as other programs have it.
 */
import { messageOf } from "../platform/error_text.ts";
import { type Files, isMissing, readUpTo } from "../platform/files.ts";
import { CaFileError } from "./ca_file_error.ts";

/** All authorities that browsers know have a quarter of this. */
const FILE_BYTES_MAX = 1024 * 1024;

export interface CaContext {
  env(name: string): string | undefined;
  readonly files: Files;
}

/** The texts of the files, in PEM. @throws {CaFileError} */
export async function readCaCertificates(caFile: string | undefined, context: CaContext): Promise<string[]> {
  const files: [origin: string, path: string | undefined][] = [
    ["--ca-file", caFile],
    ["SSL_CERT_FILE", context.env("SSL_CERT_FILE")],
  ];
  const texts: string[] = [];
  for (const [origin, path] of files) {
    if (path) texts.push(await readCaFile(context.files, origin, path));
  }
  return texts;
}

async function readCaFile(files: Files, origin: string, path: string): Promise<string> {
  const refuse = (why: string, cause?: unknown) =>
    new CaFileError(
      `Cannot trust the certificates of ${origin}: ${path}: ${why}. Name a file that has the authority's ` +
        `certificate in PEM, or none`,
      { cause },
    );
  let bytes: Uint8Array;
  try {
    using file = await files.openForReading(path);
    bytes = await readUpTo(file, FILE_BYTES_MAX + 1);
  } catch (cause) {
    throw refuse(isMissing(cause) ? "no such file" : messageOf(cause), cause);
  }
  if (bytes.length > FILE_BYTES_MAX) throw refuse(`it has more than ${FILE_BYTES_MAX} bytes`);
  const text = new TextDecoder().decode(bytes);
  // Without one, the runtime would go on without a word, and trust nobody more than before.
  if (!text.includes("-----BEGIN CERTIFICATE-----")) throw refuse("it has no CERTIFICATE block");
  return text;
}
