/**
 * `airunner queues`: what waits and runs in each queue of a server.
 */
import { ServerClient } from "../../../client/server_client.ts";
import { toJson } from "../../../platform/json.ts";
import type { Call } from "../../call.ts";
import { ExitCode } from "../../../screens/exit_code.ts";
import { queuesDocument, renderQueues } from "../../../screens/queues_screen.ts";
import { requireServer } from "../../settings/require_server.ts";

type Queues = Call<[], { json?: true }, "server" | "credential" | "requestTimeout">;

export async function run({ context, options, settings, style }: Queues): Promise<number> {
  using client = await ServerClient.connect(requireServer(settings), context);
  const { queues } = await client.callOwn((jobs, limits) => jobs.listQueues({}, limits));
  await context.stdout.write(
    options.json ? toJson(queuesDocument(queues)) + "\n" : renderQueues(queues, context.clock.nowMs(), style),
  );
  return ExitCode.DONE;
}
