/**
 * Jobs in SQLite: each method is one of the folder `jobs/`, and does its work in its caller's turn.
 */
import type { JobStore } from "../contract.ts";
import { asked } from "./asked.ts";
import { adopt } from "./jobs/adoption.ts";
import { cancel, cancellations } from "./jobs/cancellation.ts";
import { complete } from "./jobs/completion.ts";
import { countJobs, queues } from "./jobs/counts.ts";
import { detach, type Sweeper } from "./jobs/deletion.ts";
import { extend, grantGrace, nextExpiryMs, requeueExpired } from "./jobs/expiry.ts";
import { dequeue, release } from "./jobs/handing_out.ts";
import { list, listedBytes } from "./jobs/listing.ts";
import { executionId, executions, job, latestExecution } from "./jobs/lookup.ts";
import { search } from "./jobs/search.ts";
import { secret } from "./jobs/secret.ts";
import { enqueue } from "./jobs/submission.ts";
import type { Sql } from "./sql.ts";
import type { Turns } from "./turns.ts";

export function createJobStore(sql: Sql, turns: Turns, sweeper: Sweeper): JobStore {
  return {
    secret: asked(sql, secret),
    enqueue: asked(sql, enqueue),
    dequeue: asked(sql, dequeue),
    release: asked(sql, release),
    requeueExpired: asked(sql, requeueExpired),
    nextExpiryMs: asked(sql, nextExpiryMs),
    grantGrace: asked(sql, grantGrace),
    extend: asked(sql, extend),
    complete: asked(sql, complete),
    job: asked(sql, job),
    executions: asked(sql, executions),
    executionId: asked(sql, executionId),
    latestExecution: asked(sql, latestExecution),
    list: asked(sql, list),
    listedBytes: asked(sql, listedBytes),
    search: (filter) => search(sql, turns, filter),
    countJobs: asked(sql, countJobs),
    queues: asked(sql, queues),
    cancel: asked(sql, cancel),
    cancellations: asked(sql, cancellations),
    async delete(jobId) {
      const outcome = await asked(sql, detach)(jobId);
      if (outcome === "done") await sweeper.sweep();
      return outcome;
    },
    adopt: asked(sql, adopt),
  };
}
