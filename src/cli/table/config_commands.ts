/**
 * The part of the command table that is about the program itself: its configuration, its version, and its
 * completion in shells.
 */
import { SETTING_NAMES } from "../../config/settings.ts";
import { type CommandEntry, entry } from "./command_entry.ts";
import { SHELLS } from "../completion/shells.ts";

export const CONFIG_COMMANDS: readonly CommandEntry[] = [
  entry({
    path: "config show",
    summary: "show the settings that are in force",
    // All of them, so that any flag can be tried out to see what it would do.
    settings: SETTING_NAMES,
    examples: [
      ["airunner config show", "as YAML, in the form of a configuration file"],
      [
        "airunner config show --origin",
        "says where each came from: flag, environment, file and line, default",
      ],
      ["airunner config show --origin --sync=interval", "tries a flag out"],
      ["airunner config show --json | jq '.settings[] | select(.origin != \"default\")'", "for scripts"],
    ],
    exitCodes: "0 done; 2 a flag is wrong; 78 the file or a variable is wrong.",
    define: (command) =>
      command.option("--origin", "a table with where each setting came from").option(
        "--json",
        "one JSON document",
      ),
    load: () => import("../commands/config_show.ts"),
  }),
  entry({
    path: "config validate",
    summary: "check a configuration file, and say all that is wrong with it",
    settings: [],
    ignoresConfigFile: true,
    examples: [
      ["airunner config validate", "checks the file that a worker would read, and the environment"],
      [
        "airunner config validate new.yaml && mv new.yaml ~/.airunner/config.yaml",
        "checks another file alone",
      ],
      ["airunner config validate -", "checks standard input"],
    ],
    exitCodes:
      "0 valid, also when there is no file at all; 78 something is wrong, or the file cannot be read.",
    define: (command) =>
      command
        .argument("[file|-]", "file to check instead, or - for standard input")
        .option("--json", "one JSON document"),
    load: () => import("../commands/config_validate.ts"),
  }),
  entry({
    path: "config init",
    summary: "write a configuration file in which every setting is explained",
    settings: [],
    ignoresConfigFile: true,
    examples: [
      ["airunner config init", "writes ~/.airunner/config.yaml, with every default behind a #"],
      ["airunner config init --config=/etc/airunner.yaml", "writes another file"],
      ["airunner config init --force", "replaces the file, and keeps the old one as config.yaml.bak"],
    ],
    exitCodes: "0 written; 1 there is a file already, or it cannot be written.",
    define: (command) =>
      command.option("--force", "replace the file that is there; it is kept with .bak added"),
    load: () => import("../commands/config_init.ts"),
  }),
  entry({
    path: "completion",
    readsTable: true,
    summary: "print a script that completes commands, options and values in a shell",
    settings: [],
    ignoresConfigFile: true,
    examples: [
      ['eval "$(airunner completion bash)"', "in ~/.bashrc; for zsh in ~/.zshrc, with zsh for bash"],
      ["airunner completion fish > ~/.config/fish/completions/airunner.fish", "fish loads it from there"],
    ],
    exitCodes: "0 done; 2 no such shell.",
    define: (command) => command.argument("<shell>", SHELLS.join(", ")),
    load: () => import("../commands/completion.ts"),
  }),
  entry({
    path: "version",
    summary: "print the version",
    settings: [],
    ignoresConfigFile: true,
    examples: [
      ["airunner version", "the same as airunner --version"],
      ["airunner version --json", "with the formats and the runtime that this program was built with"],
    ],
    exitCodes: "0 always.",
    define: (command) => command.option("--json", "one JSON document"),
    load: () => import("../commands/version.ts"),
  }),
];
