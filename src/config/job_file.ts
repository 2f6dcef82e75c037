/**
 * `job.yaml`: the parameters of a job as a file, under the names that the protocol gives them.
 */
import { readYaml, type Shape, type YamlValue } from "./yaml_document.ts";

const INT32_MAX = 2 ** 31 - 1;
const TEXT: Shape = { kind: "text" };
const BOOLEAN: Shape = { kind: "boolean" };

/** `JobParams` of the wire contract, field by field, in its order. */
const JOB_SHAPE: Shape = {
  kind: "record",
  fields: {
    repository: TEXT,
    commit: TEXT,
    branch: TEXT,
    environment: { kind: "table", of: TEXT },
    metadata: { kind: "table", of: TEXT },
    owner: TEXT,
    command: TEXT,
    args: { kind: "list", of: TEXT },
    process_type: { kind: "word", words: ["pipe", "pty"] },
    timeout_seconds: { kind: "integer", min: 0, max: INT32_MAX },
    working_directory: TEXT,
    container: {
      kind: "record",
      fields: {
        enabled: BOOLEAN,
        image: TEXT,
        runtime: { kind: "word", words: ["docker", "podman"] },
        mounts: {
          kind: "list",
          of: { kind: "record", fields: { source: TEXT, target: TEXT, read_only: BOOLEAN } },
        },
      },
    },
    git_clone: {
      kind: "record",
      fields: {
        enabled: BOOLEAN,
        depth: { kind: "integer", min: 0, max: INT32_MAX },
        single_branch: BOOLEAN,
        submodules: { kind: "word", words: ["recursive", "shallow", ""] },
      },
    },
  },
};

/**
 * A job's parameters in the protocol's JSON form: field names in snake_case, enum values by their full names.
 */
export type JobFile = { [field: string]: YamlValue };

/** Throws YamlError where the file is not a job. `path` serves messages alone. */
export function readJobFile(source: string, path: string): JobFile {
  const job = readYaml(source, path, JOB_SHAPE) as JobFile;
  if (job.process_type) job.process_type = `PROCESS_TYPE_${String(job.process_type).toUpperCase()}`;
  return job;
}
