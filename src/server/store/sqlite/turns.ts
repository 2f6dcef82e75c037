/**
 * How long work on the database lets others have their turn: SQLite works in this thread, and nothing else
 * runs while it does.
 */
import type { NextTurn } from "../../../platform/clock.ts";

export class Turns {
  readonly #nextTurn: NextTurn;

  constructor(nextTurn: NextTurn) {
    this.#nextTurn = nextTurn;
  }

  /** Resolves when everybody else who was ready has run. */
  next(): Promise<void> {
    return new Promise((resolve) => this.#nextTurn(resolve));
  }
}
