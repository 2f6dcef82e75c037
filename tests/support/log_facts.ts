/** What a log says of itself, for tests that only want the gist. */
import { systemFiles } from "../../src/platform/system_files.ts";
import { openLog } from "../../src/survey/open_log.ts";
import { summarizeLog } from "../../src/survey/summary.ts";

export async function facts(path: string) {
  const { bytes } = await openLog(systemFiles, path);
  const { pending, completion } = await summarizeLog(bytes);
  return { pending, completion };
}
