/**
 * Says that a job will wait because nobody takes jobs from its queue: a queue whose name was mistyped looks
 * like one that is slow.
 */
import type { ServerClient } from "../../client/server_client.ts";
import { ServerError } from "../../client/server_error.ts";
import type { Queue } from "../../events/gen/airunner/v1/airunner_pb.ts";
import { shellWord, shown } from "../../platform/text.ts";
import type { Context } from "../context.ts";

/** It is only a hint, for which nobody waits long. */
const ASK_MS_MAX = 2000;

/** Says nothing where the server does not know, or does not say. */
export async function warnWithoutWorker(
  { stderr }: Pick<Context, "stderr">,
  client: ServerClient,
  queue: string,
): Promise<void> {
  let queues: Queue[];
  try {
    ({ queues } = await client.callOwn((jobs) => jobs.listQueues({}, { timeoutMs: ASK_MS_MAX })));
  } catch (error) {
    // The job is submitted, which is what was asked for.
    if (error instanceof ServerError) return;
    throw error;
  }
  const found = queues.find(({ name }) => name === queue);
  if (found === undefined || !isWithoutWorker(found)) return;
  await stderr.write(
    `airunner: queued; no worker on queue ${shown(queue)}. Start one with: airunner worker --queue=${
      shellWord(queue)
    } --server=${shellWord(client.server)}\n`,
  );
  await stderr.flush();
}

/** A worker that does not register is known by the job that it runs, or by its waiting for one. */
function isWithoutWorker({ scheduled, running, workers, waiting }: Queue): boolean {
  return scheduled > 0n && running === 0n && workers === 0 && waiting === 0;
}
