/**
 * What the runtime's words for a failed TLS connection mean, and what to type about it. Pure.
 *
 * The runtime has no classes for these; its words are those of its TLS library (rustls), which is pinned
 * with it.
 */

const CA_FILE = "--ca-file=FILE (AIRUNNER_CA_FILE, SSL_CERT_FILE)";

const MEANINGS: readonly (readonly [words: RegExp, meaning: string])[] = [
  [
    /invalid peer certificate: UnknownIssuer/,
    "the server's certificate is not trusted: this machine does not know who signed it. If that is right, name " +
    `the authority's certificate, or a self-signed one itself: ${CA_FILE}`,
  ],
  [
    /certificate expired|invalid peer certificate: Expired/,
    "the server's certificate has expired, or the clock of this machine is wrong (type: date). Whoever runs the " +
    "server has to renew it",
  ],
  [
    /certificate not valid yet|NotValidYet/,
    "the server's certificate is not valid yet, or the clock of this machine is wrong (type: date)",
  ],
  [
    /CaUsedAsEndEntity/,
    "the server's certificate is an authority's, which cannot be a server's own as well. Whoever runs the server " +
    "has to have one made for its name",
  ],
  [
    /invalid peer certificate: (BadSignature|InvalidPurpose|Revoked|\w+)/,
    "the server's certificate cannot be believed",
  ],
  [
    /InvalidContentType/,
    "what listens there speaks no TLS. If that is right, the address begins with http://",
  ],
  [
    /HandshakeFailure|ProtocolVersion|PeerIncompatible/,
    "the server speaks no TLS that is understood here (1.2 or 1.3)",
  ],
];

/** One sentence for people; undefined for what is no failure of TLS. */
export function explainTlsError(message: string): string | undefined {
  const named = /certificate not valid for name "([^"]*)"(?:; certificate is only valid for (.*))?/.exec(
    message,
  );
  if (named !== null) {
    const names = [...(named[2] ?? "").matchAll(/\w+\("?([^")]+)"?\)/g)].map((match) => match[1]);
    return `the server's certificate is for another name than ${named[1]}: ${
      names.join(", ") || "none"
    }. Use ` +
      "one of its names in --server, or have one made for this name";
  }
  const found = MEANINGS.find(([words]) => words.test(message));
  return found && `${found[1]} [${message.replace(/^.*?(?=invalid peer|received|peer)/, "")}]`;
}
