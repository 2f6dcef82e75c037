/**
 * When a server's refusals to complete a job prove that it does not know the job, so that it may be given up.
 * Pure state machine.
 *
 * One answer proves nothing: servers answer `invalid_argument` for unknown tokens and for outages alike (wire
 * contract), and between us and them are proxies with answers of their own. So it takes refusals over a long
 * time, each the server's own word and each followed by another call that the same server answered well, and
 * nothing in between that says otherwise:
 *
 *     refused … refused    ten minutes apart and ten of them or more      -> proven
 *     anything else: no answer, a proxy's or an error page, a failed ping, the token accepted elsewhere
 *                                                                         -> from the beginning
 */

/** Longer than a failover of a database or a restart takes, and than a bad release stays out. */
export const PROOF_MS = 600_000;

/** With the longest wait of a minute between two tries, ten minutes see some fifteen. */
const REFUSALS_MIN = 10;

export class RefusalProof {
  readonly #proofMs: number;
  #refusals = 0;
  #sinceMs = 0;

  constructor(proofMs: number) {
    this.#proofMs = proofMs;
  }

  get refusals(): number {
    return this.#refusals;
  }

  /** The server refused, and answered something else well right after. Gives whether that is enough. */
  refused(elapsedMs: number): boolean {
    if (this.#refusals++ === 0) this.#sinceMs = elapsedMs;
    return this.#refusals >= REFUSALS_MIN && elapsedMs - this.#sinceMs >= this.#proofMs;
  }

  /** Something says that the server is not itself, or that it knows the token after all. */
  contradicted(): void {
    this.#refusals = 0;
  }
}
