/**
 * Where the configuration file is looked for. The first that is there is read, alone: files are never merged,
 * so that one file explains everything that no flag and no variable does.
 *
 *     --config FILE, else AIRUNNER_CONFIG        has to be there
 *     DATA-DIR/config.yaml                       DATA-DIR as --data-dir or AIRUNNER_DATA_DIR say
 *     ~/.airunner/config.yaml                    the same, unless one of them says so
 *     XDG_CONFIG_HOME/airunner/config.yaml       XDG_CONFIG_HOME is ~/.config unless it is set
 */

export const CONFIG_FLAG = "--config";
export const CONFIG_VARIABLE = "AIRUNNER_CONFIG";

export interface ConfigLocations {
  /** The file that was asked for by name, and how. */
  readonly named: { readonly path: string; readonly where: string } | undefined;
  /** Else the first of these that is there. */
  readonly candidates: readonly string[];
}

export interface LocationFacts {
  /** What `--config` says. */
  readonly flag: string | undefined;
  env(variable: string): string | undefined;
  /** As the flag or the environment give it; undefined when neither does. */
  readonly dataDir: string | undefined;
}

export function configLocations({ flag, env, dataDir }: LocationFacts): ConfigLocations {
  const home = env("HOME") || undefined;
  const variable = env(CONFIG_VARIABLE) || undefined;
  const path = flag ?? variable;
  // The XDG specification has relative paths ignored.
  const xdg = env("XDG_CONFIG_HOME")?.startsWith("/") ? env("XDG_CONFIG_HOME") : home && `${home}/.config`;
  const candidates = [
    dataDir && `${dataDir.replace(/(?<=.)\/+$/, "")}/config.yaml`,
    home && `${home}/.airunner/config.yaml`,
    xdg && `${xdg}/airunner/config.yaml`,
  ].filter((candidate) => candidate !== undefined && candidate !== "");
  return {
    named: path === undefined ? undefined : {
      // `--config=~/x` reaches us with its tilde: shells replace it at the beginning of a word only.
      path: home ? path.replace(/^~(?=\/|$)/, home) : path,
      where: flag === undefined ? CONFIG_VARIABLE : CONFIG_FLAG,
    },
    candidates: [...new Set(candidates as string[])],
  };
}
