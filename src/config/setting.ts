/**
 * What a setting is: the names under which it is given, its type, and what is said about it. Pure.
 */
import type { ValueType } from "./value_type.ts";

export interface Setting<T = unknown> {
  /** Key in the configuration file; dots separate levels. The names are the runbook's. */
  readonly key: string;
  readonly flag: `--${string}`;
  readonly variable: `AIRUNNER_${string}`;
  readonly type: ValueType<T>;
  /** Undefined when the setting has none, or one that follows from another setting: see `defaultText`. */
  readonly default: T | undefined;
  /** Says the default in help where the value itself does not. */
  readonly defaultText?: string;
  /** Completes "sets …", without a full stop: help shows it beside the flag. */
  readonly description: string;
  /** A value to show where there is no default: text that parses. */
  readonly example?: string;
  /** Whether a worker that runs takes a new value from its file when it gets SIGHUP. */
  readonly isReloadable?: boolean;
}

type Facts = Pick<Setting, "defaultText" | "example" | "isReloadable">;

/** One setting of a table. */
export function setting<T>(
  key: string,
  flag: `--${string}`,
  type: ValueType<T>,
  fallback: NoInfer<T> | undefined,
  description: string,
  facts: Facts = {},
): Setting<T> & { readonly default: T | undefined } {
  // The variable follows from the flag, so that knowing one is knowing both.
  const variable = `AIRUNNER_${flag.slice(2).replaceAll("-", "_").toUpperCase()}` as const;
  return { key, flag, variable, type, default: fallback, description, ...facts };
}
