/**
 * `airunner workers`: the workers that a server has heard of in the last day.
 */
import { ServerClient } from "../../../client/server_client.ts";
import { toJson } from "../../../platform/json.ts";
import type { Call } from "../../call.ts";
import { ExitCode } from "../../../screens/exit_code.ts";
import { renderWorkers, workersDocument } from "../../../screens/workers_screen.ts";
import { requireServer } from "../../settings/require_server.ts";

type Workers = Call<[], { json?: true }, "server" | "credential" | "requestTimeout">;

export async function run({ context, options, settings, style }: Workers): Promise<number> {
  using client = await ServerClient.connect(requireServer(settings), context);
  const { workers } = await client.callOwn((jobs, limits) => jobs.listWorkers({}, limits));
  await context.stdout.write(
    options.json
      ? toJson(workersDocument(workers)) + "\n"
      : renderWorkers(workers, context.clock.nowMs(), style),
  );
  return ExitCode.DONE;
}
