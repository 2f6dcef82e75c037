/**
 * What every store has to do, whatever database it is on: a database's own test calls this with the way to
 * make an empty store, and that is its proof. The promises are told in `src/server/store/contract.ts`.
 */
import { ADOPTION_PROMISES } from "./store_contract/adoption.ts";
import { CANCELLATION_PROMISES } from "./store_contract/cancellation.ts";
import { DELETION_PROMISES } from "./store_contract/deletion.ts";
import { EVENT_PROMISES } from "./store_contract/events.ts";
import { Fixture, type OpenStores } from "./store_contract/fixture.ts";
import { INTERLEAVING_PROMISES } from "./store_contract/interleavings.ts";
import { JOB_PROMISES } from "./store_contract/jobs.ts";
import { SEARCH_PROMISES } from "./store_contract/search.ts";
import { WORKER_PROMISES } from "./store_contract/workers.ts";

export type { OpenedStores, OpenStores } from "./store_contract/fixture.ts";

/** `name`: the database's, which the tests' names begin with. */
export function describeStore(name: string, open: OpenStores): void {
  const promises = {
    ...JOB_PROMISES,
    ...EVENT_PROMISES,
    ...CANCELLATION_PROMISES,
    ...ADOPTION_PROMISES,
    ...DELETION_PROMISES,
    ...SEARCH_PROMISES,
    ...WORKER_PROMISES,
  };
  for (const [promise, prove] of Object.entries(promises)) {
    Deno.test(`${name}: ${promise}`, async () => {
      await using test = new Fixture(await open());
      await prove(test);
    });
  }
  for (const [promise, prove] of Object.entries(INTERLEAVING_PROMISES)) {
    Deno.test(`${name}: ${promise}`, () => prove(open));
  }
}
