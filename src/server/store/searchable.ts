/**
 * What jobs are found by, taken from their parameters. A pure function of them.
 */
import { fromBinary } from "@bufbuild/protobuf";
import { JobParamsSchema } from "../../events/gen/job/v1/job_pb.ts";

export interface Searchable {
  /** Id and command line. */
  text: string;
  metadata: Readonly<Record<string, string>>;
}

/** `params`: a JobParams message; when it is none, the job is found by its id alone. */
export function searchableOf(jobId: string, params: Uint8Array): Searchable {
  try {
    const { command, args, metadata } = fromBinary(JobParamsSchema, params);
    return { text: `${jobId}\n${[command, ...args].join(" ")}`, metadata };
  } catch {
    // Whoever asks for the job is told so; that it cannot be searched keeps nobody from storing it.
    return { text: jobId, metadata: {} };
  }
}
