/**
 * Which of a job's environment variables are secret: `airunner.secrets` in its metadata names them, separated
 * by commas. Their values are for the worker that runs the job, and for nobody who lists it.
 */
import { clone } from "@bufbuild/protobuf";
import { type JobParams, JobParamsSchema } from "./gen/job/v1/job_pb.ts";

/** The metadata's key. */
export const SECRETS_KEY = "airunner.secrets";

export function secretNames(metadata: JobParams["metadata"]): string[] {
  // Metadata may have been sent by anybody, also as a key that every object has: only its own ones count.
  const value = Object.hasOwn(metadata, SECRETS_KEY) ? metadata[SECRETS_KEY]! : "";
  return value.split(",").map((name) => name.trim()).filter((name) => name !== "");
}

/**
 * The parameters as they may be shown: without the secret variables. These are left out as a whole, since an
 * empty value would say that they are set to nothing; that there are such variables their names still say.
 */
export function withoutSecrets(params: JobParams): JobParams {
  const names = secretNames(params.metadata).filter((name) => Object.hasOwn(params.environment, name));
  if (names.length === 0) return params;
  const shown = clone(JobParamsSchema, params);
  for (const name of names) delete shown.environment[name];
  return shown;
}
