/**
 * How long certificates are good for, and what the keys may do that a server takes.
 */
import { formatSpan, shellWord, shown } from "../platform/text.ts";
import { DAY_MS } from "../platform/time_units.ts";
import { type Check, type Cure, type Finding, ok, problem, skipped, warning } from "./finding.ts";
import type { AuthorizedFacts, CertificateAnswer } from "./probe.ts";

/** Whoever renews certificates by a program does so earlier. */
const WARN_BEFORE_MS = 14 * DAY_MS;

const certificate: Check = {
  id: "certificate",
  title: "Certificate",
  async run(probe) {
    const { server, tlsCert } = probe.settings;
    if (tlsCert !== undefined) {
      const cure: Cure = [
        `ls -l ${shellWord(tlsCert)}`,
        "a renewed one in the same file is taken without a restart",
      ];
      return judgeCertificate(await probe.readCertificate(tlsCert), probe.nowMs, cure);
    }
    if (server === undefined) return skipped("no server is given");
    if (!server.startsWith("https:")) return ok("none is used: the server's address begins with http://");
    const { host, hostname, port } = new URL(server);
    const address = port === "" ? `${host}:443` : host;
    const cure: Cure = [
      `openssl s_client -connect ${address} -servername ${hostname} </dev/null`,
      "shows it; whoever runs the server has to renew it",
    ];
    return judgeCertificate(await probe.askCertificate(server), probe.nowMs, cure);
  },
};

export function judgeCertificate(answer: CertificateAnswer, nowMs: number, cure: Cure): Finding {
  if (answer.kind === "none") return skipped(`it cannot be looked at: ${shown(answer.why)}`);
  const { names, notAfterMs } = answer.certificate;
  const until = new Date(notAfterMs).toISOString().slice(0, 10);
  const leftMs = notAfterMs - nowMs;
  const measured = { not_after: new Date(notAfterMs).toISOString(), days_left: Math.floor(leftMs / DAY_MS) };
  const whose = `the certificate for ${shown(names.join(", ")) || "no name"}`;
  if (leftMs <= 0) {
    return problem(
      `${whose} ended on ${until}: no client believes it. What is unsent stays on disk`,
      measured,
      cure,
    );
  }
  if (leftMs <= WARN_BEFORE_MS) {
    return warning(`${whose} ends in ${formatSpan(leftMs)}, on ${until}`, measured, cure);
  }
  return ok(`${whose} is good until ${until}`, measured);
}

const authorizedKeys: Check = {
  id: "authorized_keys",
  title: "Authorized keys",
  async run(probe) {
    const { authorizedKeys: directory } = probe.settings;
    if (directory === undefined) return ok("no directory of them is given (--authorized-keys)");
    return judgeAuthorizedKeys(directory, await probe.readAuthorizedKeys(directory));
  },
};

export function judgeAuthorizedKeys(directory: string, facts: AuthorizedFacts): Finding {
  const where = shellWord(directory);
  if (facts.kind === "none") {
    return problem(`${shown(directory)} cannot be read: ${shown(facts.why)}. Nobody new gets in`, {}, [
      `ls -la ${where}`,
      "the server's user has to be able to read it",
    ]);
  }
  const { keys, unusable } = facts;
  const unlimited = keys.filter(({ saysRoles }) => !saysRoles);
  const measured = { keys: keys.length, without_roles: unlimited.length, unusable: unusable.length };
  if (unusable.length > 0) {
    const [{ path, reason }] = unusable;
    return problem(`${shown(path)} lets nobody in: ${shown(reason)}`, measured, [
      `airunner keys list --authorized-keys=${where}`,
      "says what each file lets do",
    ]);
  }
  if (unlimited.length > 0) {
    const names = unlimited.map(({ name }) => name).join(", ");
    return warning(`may do everything, because their files name no roles: ${shown(names)}`, measured, [
      `airunner keys authorize ${
        shellWord(unlimited[0].path)
      } --authorized-keys=${where} --force --role ROLE`,
      "narrows it to read, submit, run or admin",
    ]);
  }
  return ok(`${keys.length} of them, each with its roles`, measured);
}

export const KEY_CHECKS: readonly Check[] = [certificate, authorizedKeys];
