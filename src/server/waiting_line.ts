/**
 * The line of workers before a queue: who came first is served first, and who went away is not served.
 */

/** One place in the line. */
export interface Place<Request, Thing> {
  readonly request: Request;
  /** Whether it stays when there is nothing for it. */
  readonly isPatient: boolean;
  /**
   * Hands the thing over, or says that there is none, and ends the place. False: whoever stood there is gone,
   * and nothing was handed over.
   */
  settle(thing: Thing | undefined): boolean;
  fail(error: unknown): void;
}

export class WaitingLine<Request, Thing> {
  readonly #places = new Set<Place<Request, Thing>>();

  /**
   * Stands in line, at its end, before this returns. Resolves with what was handed over, or undefined when
   * there was nothing and it is not patient, or when the signal aborted first.
   */
  join(request: Request, isPatient: boolean, signal?: AbortSignal): Promise<Thing | undefined> {
    if (signal?.aborted) return Promise.resolve(undefined);
    return new Promise((resolve, reject) => {
      const leave = () => {
        signal?.removeEventListener("abort", abort);
        return this.#places.delete(place);
      };
      const place: Place<Request, Thing> = {
        request,
        isPatient,
        settle(thing) {
          const wasThere = leave();
          if (wasThere) resolve(thing);
          return wasThere;
        },
        fail: (error) => leave() && reject(error),
      };
      const abort = () => place.settle(undefined);
      signal?.addEventListener("abort", abort, { once: true });
      this.#places.add(place);
    });
  }

  /** Who has stood here longest. */
  get first(): Place<Request, Thing> | undefined {
    return this.#places.values().next().value;
  }

  /** Everybody, in the order in which they came. */
  get places(): readonly Place<Request, Thing>[] {
    return [...this.#places];
  }

  get length(): number {
    return this.#places.size;
  }
}
