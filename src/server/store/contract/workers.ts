/**
 * Workers that registered, kept so that they are known after a restart and, where servers share a database,
 * on every one of them.
 */

export interface StoredWorker {
  /** Made by the worker at its start; two workers never have the same. */
  id: string;
  name: string;
  version: string;
  queue: string;
  concurrency: number;
  connectedAtMs: number;
  lastSeenAtMs: number;
  /** The jobs that it runs. */
  jobIds: readonly string[];
  /**
   * What was last said of it. A server that was killed said nothing: whom nobody has seen for longer than
   * workers are silent is not connected, whatever this says.
   */
  isConnected: boolean;
}

export interface WorkerStore {
  /**
   * Writes down the worker as it is now, in place of what was known of it; `lastSeenAtMs` becomes `nowMs`.
   * Workers that were not seen for a month before that may be forgotten.
   */
  seen(worker: Omit<StoredWorker, "lastSeenAtMs">, nowMs: number): Promise<void>;
  /** Those that were seen at `sinceMs` or later, by name and then by id. */
  workers(sinceMs: number): Promise<StoredWorker[]>;
}
