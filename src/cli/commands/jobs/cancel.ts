/**
 * `airunner cancel`: takes jobs that wait from their queue, and has those that run ended by their workers.
 */
import type { ServerClient } from "../../../client/server_client.ts";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { CancelOutcome } from "../../../events/gen/airunner/v1/airunner_pb.ts";
import { stateName } from "../../../client/list_jobs.ts";
import { formatAge, shellWord, shown } from "../../../platform/text.ts";
import { type Done, forEachJob, type JobsCall } from "./each_job.ts";

export async function run(call: JobsCall<{ reason?: string; json?: true }>): Promise<number> {
  const { options: { reason = "" }, context: { clock } } = call;
  return await forEachJob(call, "cancel", async (client, jobId) => {
    const { outcome, state, isHeard } = await client.callOwn((jobs, limits) =>
      jobs.cancelJob({ jobId, reason }, limits)
    );
    const job = shown(jobId);
    switch (outcome) {
      case CancelOutcome.CANCELLED:
        return done(`Cancelled ${job}; it had not started`, "cancelled", "cancelled");
      case CancelOutcome.ENDED:
        return done(
          `${job} had ended before (${stateName(state)}); nothing was changed`,
          "ended",
          stateName(state),
        );
      default:
        return await requested(client, jobId, isHeard, clock.nowMs());
    }
  });
}

async function requested(
  client: ServerClient,
  jobId: string,
  isHeard: boolean,
  nowMs: number,
): Promise<Done> {
  const { job } = await client.callOwn((jobs, limits) => jobs.getJob({ jobId }, limits));
  const { worker = "", lastSeenAt } = job?.latestExecution ?? {};
  const whose = worker === "" ? "its worker" : `worker ${shown(worker)}`;
  const follow = `airunner logs ${shellWord(jobId)}`;
  const fields = { worker: worker || null, is_heard: isHeard };
  if (isHeard) {
    return done(
      `Asked ${whose} to end ${shown(jobId)}; follow it with: ${follow}`,
      "requested",
      "running",
      fields,
    );
  }
  const seen = lastSeenAt === undefined ? "" : `, last heard of ${formatAge(timestampMs(lastSeenAt), nowMs)}`;
  const line =
    `${capital(whose)} does not listen${seen}: ${shown(jobId)} ends when it is back, or when its ` +
    "time is over; it does not go back to its queue";
  return done(line, "requested", "running", fields);
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function done(line: string, outcome: string, state: string, more: Done["fields"] = {}): Done {
  return { line, fields: { outcome, state, ...more } };
}
