/**
 * What a server reads before it listens: whose calls it takes, and what it speaks TLS with.
 */
import type { Clock } from "../platform/clock.ts";
import type { Files } from "../platform/files.ts";
import type { Logger } from "../platform/logging/logger.ts";
import type { CertificatePair } from "../platform/tls/certificate.ts";
import { AuthorizedKeys } from "./authorized_keys.ts";
import { CertificateFiles, type CertificatePaths, readCertificateFiles } from "./certificate_files.ts";
import { isLoopback, type Listener, ServerStartError } from "./listener.ts";

export interface FileOptions {
  readonly host: { readonly files: Files; readonly clock: Clock };
  readonly listen: { readonly hostname: string };
  readonly authorizedKeysDir?: string;
  readonly publicUrls?: readonly string[];
  readonly allowUnauthenticated?: boolean;
  readonly tls?: CertificatePaths;
}

/** Undefined: calls are taken from anybody. @throws ServerStartError */
export async function loadKeys(options: FileOptions, logger: Logger): Promise<AuthorizedKeys | undefined> {
  const { host: { files, clock }, authorizedKeysDir, listen: { hostname } } = options;
  if (authorizedKeysDir === undefined) {
    if (isLoopback(hostname) || options.allowUnauthenticated) return undefined;
    throw new ServerStartError(
      `Refusing to listen on ${hostname} without authentication: whoever reaches it could run commands on every worker. ` +
        `Listen on 127.0.0.1, name a folder of authorized keys, or allow unauthenticated calls explicitly.`,
    );
  }
  if (isWildcard(hostname) && !options.publicUrls?.length) {
    throw new ServerStartError(
      `Cannot check tokens on ${hostname}: a token names the server it is for, and this address is no name. ` +
        `Give the server's public URL too.`,
    );
  }
  try {
    const keys = await AuthorizedKeys.load(files, authorizedKeysDir, clock, logger);
    if (keys.size === 0) {
      logger.warn("There is no authorized key yet; every call is refused", { path: authorizedKeysDir });
    }
    if (keys.unlimited.length > 0) {
      logger.info("Some authorized keys may do everything, because their files name no roles", {
        keys: keys.unlimited.join(", "),
      });
    }
    return keys;
  } catch (cause) {
    const reason = (cause as Error).message;
    throw new ServerStartError(
      `Cannot read the authorized keys in ${authorizedKeysDir}: ${reason}. Correct the folder and start again.`,
      { cause },
    );
  }
}

function isWildcard(hostname: string): boolean {
  return hostname === "0.0.0.0" || hostname === "::" || hostname === "[::]";
}

/** Undefined: TLS is not spoken. @throws ServerStartError */
export async function loadCertificate({ host, tls }: FileOptions): Promise<CertificatePair | undefined> {
  if (tls === undefined) return undefined;
  try {
    return await readCertificateFiles(host.files, tls);
  } catch (cause) {
    throw new ServerStartError(
      `Cannot speak TLS: ${
        (cause as Error).message
      }. Check --tls-cert and --tls-key, and who may read the files.`,
      { cause },
    );
  }
}

/** Follows the files that `current` was read from, for as long as the listener is open. */
export async function followCertificate(
  { host: { files, clock }, tls }: FileOptions,
  current: CertificatePair,
  listener: Listener,
  logger: Logger,
): Promise<CertificateFiles> {
  try {
    const watch = { files, clock, logger, paths: tls!, renew: listener.renewCertificate };
    return await CertificateFiles.follow(watch, current);
  } catch (error) {
    await listener.close(0);
    throw error;
  }
}
