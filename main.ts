/**
 * Arguments in, exit code out.
 */
import { run } from "./src/cli/run.ts";
import { stderrSink } from "./src/platform/logging/text_logger.ts";
import { createSystemContext } from "./src/cli/terminal/system_context.ts";

if (import.meta.main) {
  const { context, cleanUp } = createSystemContext(Deno.args);
  let exitCode = 1;
  try {
    exitCode = await run(context, stderrSink);
  } finally {
    cleanUp();
  }
  // Explicit: a connection or a timer that is still open must not keep a finished program alive.
  Deno.exit(exitCode);
}
