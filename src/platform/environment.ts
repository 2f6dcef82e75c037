/**
 * What the program was started with, and as whom.
 */
export interface Environment {
  env(name: string): string | undefined;
  /** The whole environment, for jobs to inherit. */
  environment(): Readonly<Record<string, string>>;
  hostname(): string;
  /** The directory that relative paths are seen from. */
  workingDirectory(): string;
  /** Undefined where users have no numbers. */
  userId(): number | undefined;
}
