/**
 * What a topic of `airunner help` is.
 */
export interface Topic {
  readonly name: string;
  /** Stands beside the name in the list. */
  readonly summary: string;
  readonly text: string;
}
