/**
 * `airunner delete`: removes jobs that have ended from the server, with all of their output.
 */
import { counted, shown } from "../../../platform/text.ts";
import { UsageError } from "../../command_error.ts";
import { ExitCode } from "../../../screens/exit_code.ts";
import { requireServer } from "../../settings/require_server.ts";
import { confirm } from "../../terminal/confirm.ts";
import { forEachJob, type JobsCall } from "./each_job.ts";

export async function run(call: JobsCall<{ yes?: true; json?: true }>): Promise<number> {
  const { context, args: [jobIds], options, settings } = call;
  if (!options.yes) {
    if (!context.stdinIsTerminal) {
      throw new UsageError("Nothing was deleted: there is no terminal to ask on. Add --yes to delete");
    }
    const count = counted(new Set(jobIds).size, "job");
    const question = `Delete ${count} and all of their output from ${requireServer(settings).server}?`;
    if (!await confirm(context, question)) {
      await context.stderr.write("Nothing was deleted.\n");
      return ExitCode.FAILED;
    }
  }
  return await forEachJob(call, "delete", async (client, jobId) => {
    await client.callOwn((jobs, limits) => jobs.deleteJob({ jobId }, limits));
    return { line: `Deleted ${shown(jobId)}`, fields: { outcome: "deleted" } };
  });
}
