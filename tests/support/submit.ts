/**
 * Puts a job into a queue as a user does, by the compiled binary.
 */
import assert from "node:assert/strict";
import type { Sandbox } from "./airunner.ts";

/** A job that runs a shell script; resolves with the job's id. */
export async function submitScript(
  sandbox: Pick<Sandbox, "run">,
  url: string,
  script: string,
): Promise<string> {
  const { code, stdout, stderr } = await sandbox.run(["submit", `--server=${url}`, "--", "sh", "-c", script]);
  assert.equal(code, 0, stderr);
  return new TextDecoder().decode(stdout).trim();
}
