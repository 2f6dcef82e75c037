/**
 * What the commands for keys say. Pure.
 */
import type { NewCredentials } from "../client/create_credentials.ts";
import type { ListedCredentials } from "../client/list_credentials.ts";
import type { AuthorizedDirectory, AuthorizedEntry } from "../keys/authorized_directory.ts";
import type { Authorized, Revoked } from "../keys/change_authorized.ts";
import { formatRoles, type Role } from "../keys/roles.ts";
import {
  counted,
  formatFields,
  formatNext,
  formatTable,
  shellWord,
  shown,
  type Style,
} from "../platform/text.ts";

export interface KeysScreen {
  readonly directory: string;
  readonly pairs: readonly ListedCredentials[];
  readonly authorized: (AuthorizedDirectory & { readonly directory: string }) | undefined;
}

/** `verb`: what was done to get it. */
export function renderNewPair(verb: string, name: string, made: NewCredentials, style: Style): string {
  const { fingerprint, privateKeyPath, publicKeyPath, isDefault, retired } = made;
  const kept = retired === undefined
    ? ""
    : `The pair that had the name before is kept as ${shown(retired.name)}.\n`;
  const use = isDefault ? "It is the default here." : `To use it: --credential=${shellWord(name)}`;
  return `${verb} the key pair ${shown(name)}\n` +
    formatFields([
      ["Fingerprint", fingerprint],
      ["Private key", `${shown(privateKeyPath)}  (stays here)`],
      ["Public key", shown(publicKeyPath)],
    ]) + `${use}\n${kept}` +
    formatNext([
      [
        `airunner keys authorize ${shellWord(publicKeyPath)} --authorized-keys=DIR --role submit`,
        "where the server runs, with this file: lets its owner submit jobs",
      ],
    ], style);
}

export function renderKeys({ directory, pairs, authorized }: KeysScreen, style: Style): string {
  if (authorized === undefined) return renderPairs(directory, pairs, style);
  return `${renderPairs(directory, pairs, style)}\n${renderDirectory(authorized, style)}`;
}

function renderPairs(directory: string, pairs: readonly ListedCredentials[], style: Style): string {
  if (pairs.length === 0) {
    return `No key pairs in ${shown(directory)}\n` +
      formatNext([["airunner keys new NAME", "makes one"]], style);
  }
  const rows = pairs.map(({ name, isDefault, fingerprint, faults }) => [
    `${isDefault ? "*" : " "} ${shown(name)}`,
    shown(fingerprint ?? "-"),
    faults.length === 0 ? "whole" : style.bad(shown(faults.join("; "))),
  ]);
  const columns = ["  NAME", "FINGERPRINT", "FILES"].map((title) => ({ title }));
  return formatTable(columns, rows, style) + `* is the default. They lie in ${shown(directory)}\n`;
}

function renderDirectory(
  { directory, keys, unusable }: AuthorizedDirectory & { directory: string },
  style: Style,
): string {
  const rows = [
    ...keys.map(({ name, fingerprint, roles, saysRoles }) => [
      shown(name),
      fingerprint,
      saysRoles ? formatRoles(roles) : style.warn("everything (its file names no roles)"),
    ]),
    ...unusable.map(({ path, reason }) => [
      shown(path.slice(path.lastIndexOf("/") + 1)),
      "-",
      style.bad(`nothing: ${shown(reason)}`),
    ]),
  ];
  const title = `Authorized in ${shown(directory)}: ${counted(keys.length, "key")}\n`;
  if (rows.length === 0) return title;
  return title + formatTable(["NAME", "FINGERPRINT", "MAY"].map((title) => ({ title })), rows, style);
}

export function renderPair(pair: ListedCredentials, pem: string): string {
  const { name, isDefault, fingerprint, entry, faults, privateKeyPath, publicKeyPath } = pair;
  return formatFields([
    ["Name", `${shown(name)}${isDefault ? "  (the default here)" : ""}`],
    ["Fingerprint", shown(fingerprint ?? "-")],
    ["Organisation", shown(entry.org_id || "-")],
    ["Principal", shown(entry.principal_id || "-")],
    ["Listed", `${shown(entry.created_at ?? "-")}${entry.imported ? ", imported" : ""}`],
    ["Private key", shown(privateKeyPath)],
    ["Public key", shown(publicKeyPath)],
    faults.length === 0 ? undefined : ["Faults", shown(faults.join("; "))],
  ]) + `\n${pem}`;
}

export function renderAuthorized(
  name: string,
  fingerprint: string,
  done: Extract<Authorized, { path: string; roles: ReadonlySet<Role> | undefined }>,
  style: Style,
): string {
  const { outcome, path, roles, beside } = done;
  const said = {
    new: `Authorized ${shown(name)}`,
    changed: `Changed what ${shown(name)} may do`,
    same: `${shown(name)} was authorized already; nothing was changed`,
  }[outcome];
  const next: [string, string][] = roles === undefined
    ? [[
      `airunner keys authorize ${shellWord(path)} --authorized-keys=${
        shellWord(path.slice(0, path.lastIndexOf("/")))
      } --force --role ROLE`,
      "narrows it to read, submit, run or admin",
    ]]
    : [];
  const other = beside === undefined
    ? ""
    : `It stands beside the older key of that name, ${beside.fingerprint}\n`;
  return `${said}\n` +
    formatFields([
      ["Fingerprint", fingerprint],
      ["May", roles === undefined ? "everything, since no role was given" : formatRoles(roles)],
      ["File", shown(path)],
    ]) + other + "A server that runs knows it within 5 s.\n" + formatNext(next, style);
}

export function renderRevoked(
  subject: string,
  { fingerprint, paths }: Extract<Revoked, { outcome: "revoked" }>,
): string {
  return `Revoked ${shown(subject)}\n` +
    formatFields([
      fingerprint === undefined ? undefined : ["Fingerprint", fingerprint],
      ["Removed", paths.map(shown).join("\n")],
    ]) +
    "A server that runs lets it in no more within 5 s, and ends the calls that it has open.\n";
}

export function renderKeyLines(keys: readonly AuthorizedEntry[]): string {
  return keys.map(({ name, fingerprint, roles }) => `  ${fingerprint}  ${shown(name)}  ${formatRoles(roles)}`)
    .join("\n");
}

export function renderRotated(name: string, made: NewCredentials, style: Style): string {
  const { fingerprint, publicKeyPath, retired } = made;
  const old = retired === undefined
    ? ""
    : `The old one is kept as ${shown(retired.name)}: ${retired.fingerprint}\n`;
  return `Made a new key pair for ${shown(name)}: ${fingerprint}\n${old}` +
    `Programs that run go on with the old one; those that start take the new one.\n` +
    formatNext([
      [
        `airunner keys authorize ${shellWord(publicKeyPath)} --authorized-keys=DIR`,
        "now, where the server runs: lets the new one do what the old one may",
      ],
      [
        `airunner keys revoke ${retired?.fingerprint ?? "FINGERPRINT"} --authorized-keys=DIR`,
        "when every worker that had the old one was started again",
      ],
    ], style);
}
