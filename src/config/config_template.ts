/**
 * The commented file that `airunner config init` writes, and settings as YAML in general. Pure.
 */
import { type Setting, type SettingName, SETTINGS } from "./settings.ts";
import { CONNECTION_SETTINGS } from "./server_settings.ts";

interface Section {
  readonly title: string;
  readonly names: readonly SettingName[];
}

/** Every setting, in the order in which somebody who reads the file wants to meet it. */
export const SECTIONS: readonly Section[] = [
  { title: "The server, and who we are there", names: ["server", "credential", "caFile", "requestTimeout"] },
  {
    title: "Jobs",
    names: ["queue", "concurrency", "workerName", "jobUser", "workDir", "gracePeriod", "visibilityTimeout"],
  },
  {
    title: "Directories and disk space. A relative path leads on from the directory of this file",
    names: ["dataDir", "walDir", "archiveDir", "walMaxBytes", "minFreeSpace"],
  },
  { title: "The write-ahead log", names: ["flushInterval", "sync"] },
  {
    title: "Delivery: what happens while the server cannot be reached",
    names: ["retryInitialInterval", "retryMaxInterval", "retryMultiplier", "retryAttempts"],
  },
  { title: "Archives", names: ["archiveOnComplete", "compressionLevel", "retentionDays"] },
  { title: "Metrics and health", names: ["metricsListen", "readyMaxUnsentAge"] },
  {
    title: "Log lines of the program",
    names: ["logLevel", "logFormat", "logFile", "logFileMaxBytes", "logFileCount"],
  },
  {
    title: "airunner server",
    names: ["listen", "data", "tlsCert", "tlsKey", "authorizedKeys", "publicUrl", "allowUnauthenticated"],
  },
  {
    title: "airunner server: connections, and who may read its metrics",
    names: CONNECTION_SETTINGS,
  },
];

const HEAD = `# Configuration of airunner.
#
# Every setting is here with its default, behind a #: take away the # to change it.
# A flag wins over a variable of the environment, and that over this file.
#
# airunner config validate         checks this file
# airunner config show --origin    says what is in force, and why
#
# A worker that runs takes what is marked [reload] when it gets SIGHUP; the rest needs a restart.
# Durations: 500ms 5s 1h30m 30d. Sizes: 64MiB 5GB. Names match whatever their case, _ or -.
`;

/**
 * The whole file. It validates, and it does so with the # before every setting taken away: prose has a blank
 * behind it.
 */
export function configTemplate(): string {
  return HEAD + SECTIONS.map(renderSection).join("");
}

function renderSection({ title, names }: Section): string {
  let text = `\n# ---- ${title} ----\n`;
  let group: string | undefined;
  for (const name of names) {
    const setting: Setting = SETTINGS[name];
    const [first, second] = setting.key.split(".");
    text += "\n";
    if (second !== undefined && group !== first) {
      text += `# Each of the next ones needs this line as well, and stays indented below it.\n#${first}:\n\n`;
    }
    group = second === undefined ? undefined : first;
    text += `# ${remark(setting)}\n#${second === undefined ? first : `  ${second}`}: ${
      yamlScalar(shownValue(setting))
    }\n`;
  }
  return text;
}

function remark({ description, type, isReloadable, ...setting }: Setting): string {
  const facts: string[] = [];
  if (setting.default === undefined) facts.push(`default: ${setting.defaultText ?? "none"}`);
  const others = type.words?.filter((word) => !description.includes(word) && !/^(true|false)$/.test(word)) ??
    [];
  if (others.length > 0) facts.push(type.words!.length === 1 ? `or ${others[0]}` : type.words!.join(" or "));
  return description.charAt(0).toUpperCase() + description.slice(1) +
    (facts.length > 0 ? ` (${facts.join("; ")})` : "") + (isReloadable ? " [reload]" : "");
}

/** The default, or where there is none an example. */
function shownValue(setting: Setting): string {
  return setting.default === undefined ? setting.example ?? "" : setting.type.format(setting.default);
}

/** A text as a YAML value that reads as the same text. */
export function yamlScalar(text: string): string {
  const isPlain = /^[\w./~][\w./~@%+=:,-]*$/.test(text) && !text.endsWith(":") && !/^(~|null)$/i.test(text);
  return isPlain ? text : JSON.stringify(text);
}
