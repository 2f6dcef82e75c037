/**
 * The part of the command table that is about keys: one's own pairs, and whose keys a server takes.
 */
import { Option } from "@commander-js/extra-typings";
import { ROLES } from "../../keys/roles.ts";
import { type CommandEntry, entry } from "./command_entry.ts";

const FORCE = ["--force", "take the name of a pair that is there, which is kept under another"] as const;
const ORG = ["--org <ID>", "organisation that tokens name, for servers that ask for one"] as const;
const PRINCIPAL = ["--principal <ID>", "principal that tokens name; default: the name"] as const;

/** One's own pairs. */
const PAIR_COMMANDS: readonly CommandEntry[] = [
  entry({
    path: "keys new",
    summary: "make a key pair, to call servers with that ask who calls",
    settings: [],
    examples: [
      ["airunner keys new ci", "makes ~/.airunner/credentials/ci.key and ci.pub, and lists them"],
      ["airunner keys new laptop --org=acme --principal=eve", "for a server that looks at these"],
    ],
    exitCodes: "0 made; 2 usage; 78 the name is taken, or the directory cannot be written.",
    define: (command) =>
      command.argument("<name>", "name of the new pair").option(...ORG).option(...PRINCIPAL).option(...FORCE),
    load: () => import("../commands/keys/new.ts"),
  }),
  entry({
    path: "keys list",
    summary: "list the key pairs, the default one marked, and what is missing of them",
    settings: ["authorizedKeys"],
    examples: [
      ["airunner keys list", "names, fingerprints, missing files"],
      ["airunner keys list --authorized-keys=DIR", "whose keys a server takes, too, and what each may do"],
      ["airunner keys list --json | jq -r '.keys[].fingerprint'", "for scripts"],
    ],
    exitCodes: "0 done; 3 something is missing or does not fit; 78 the listing cannot be read.",
    define: (command) => command.option("--json", "one JSON document"),
    load: () => import("../commands/keys/list.ts"),
  }),
  entry({
    path: "keys show",
    summary: "show what is known of a key pair, and its public key",
    settings: [],
    examples: [["airunner keys show ci", "never shows anything of the private key"]],
    exitCodes: "0 done; 78 there is no such pair, or its public key cannot be read.",
    define: (command) => command.argument("<name>", "name of the pair").option("--json", "one JSON document"),
    load: () => import("../commands/keys/show.ts"),
  }),
  entry({
    path: "keys import",
    summary: "take a private key that another program made as a key pair",
    settings: [],
    examples: [
      ["airunner keys import ci.pem", "SEC1 or PKCS#8 PEM, on the curve P-256"],
      ["airunner keys import /run/secrets/key --name=ci", "under another name than the file's"],
    ],
    exitCodes: "0 imported; 1 the file is no such key; 2 usage; 78 the name is taken.",
    define: (command) =>
      command
        .argument("<file>", "private key in PEM")
        .option("--name <NAME>", "name of the pair; default: the file's")
        .option(...ORG)
        .option(...PRINCIPAL)
        .option(...FORCE),
    load: () => import("../commands/keys/import.ts"),
  }),
  entry({
    path: "keys export",
    summary: "print the public key of a pair, or write one of its keys to a file",
    settings: [],
    examples: [
      ["airunner keys export ci > ci.pub", "for the server's operator"],
      ["airunner keys export ci --private --output=ci.key", "to a file that only you may read"],
    ],
    exitCodes:
      "0 done; 1 the file is there already, or cannot be written; 2 usage; 78 there is no such pair.",
    define: (command) =>
      command
        .argument("<name>", "name of the pair")
        .option("--private", "the private key; needs --output")
        .option("--output <FILE>", "write to a new file; - for standard output")
        .option("--force", "replace the file"),
    load: () => import("../commands/keys/export.ts"),
  }),
  entry({
    path: "keys rotate",
    summary: "make a new pair under the name of an old one, which is kept until it is revoked",
    settings: [],
    examples: [["airunner keys rotate ci", "says which two commands follow"]],
    exitCodes: "0 done; 78 there is no such pair, or the directory cannot be written.",
    define: (command) => command.argument("<name>", "name of the pair"),
    load: () => import("../commands/keys/rotate.ts"),
  }),
];

export const KEYS_COMMANDS: readonly CommandEntry[] = [
  ...PAIR_COMMANDS,
  entry({
    path: "keys authorize",
    summary: "let the owner of a key call the server, and say what for",
    settings: ["authorizedKeys"],
    examples: [
      ["airunner keys authorize worker.pub --authorized-keys=DIR --role run", "for a host that runs jobs"],
      ["airunner keys authorize ci --authorized-keys=DIR --role submit", "a pair of one's own, by its name"],
      [
        "airunner keys authorize DIR/ci.pub --authorized-keys=DIR --role read --force",
        "changes what a key may do",
      ],
    ],
    exitCodes:
      "0 done, or done before; 1 nothing was changed: the file is no key, or it says something else; 2 usage.",
    define: (command) =>
      command
        .argument("<name|file>", "name of a pair of one's own, or path of a public key (.pub)")
        .addOption(
          // Several at a time, with commas between them, are read too; these are for completion.
          new Option("--role <ROLE>", "what it may do; may be repeated; default: everything")
            .choices(ROLES)
            .default([] as string[], "everything")
            .argParser((value: string, all: string[]) => [...all, value]),
        )
        .option("--name <NAME>", "name of the key there; default: the file's or the pair's")
        .option("--force", "replace what is said of the key"),
    load: () => import("../commands/keys/authorize.ts"),
  }),
  entry({
    path: "keys revoke",
    summary: "end what a key may do at the server, calls that are open included",
    settings: ["authorizedKeys"],
    examples: [
      ["airunner keys revoke ci --authorized-keys=DIR", "by the name that it has there"],
      ["airunner keys revoke FINGERPRINT --authorized-keys=DIR", "when there are several of a name"],
    ],
    exitCodes: "0 revoked; 1 there is no such key, or it cannot be removed; 2 usage.",
    define: (command) =>
      command.argument("<name|fingerprint|file>", "which key, as `airunner keys list` has it"),
    load: () => import("../commands/keys/revoke.ts"),
  }),
];
