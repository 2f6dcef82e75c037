/**
 * What a job must be like to be taken: whatever could never run is refused when it is enqueued, where
 * somebody reads the answer, and not hours later on a worker.
 */
import { Code, ConnectError } from "@connectrpc/connect";
import { toBinary } from "@bufbuild/protobuf";
import { refusalDetail, type RefusalReason } from "../events/error_info.ts";
import {
  type EnqueueJobRequest,
  type JobParams,
  JobParamsSchema,
  ProcessType,
} from "../events/gen/job/v1/job_pb.ts";

const DEFAULT_QUEUE = "default";

/** Long enough for a name with a path in it, short enough for a line on a screen. */
const QUEUE_CHARACTERS_MAX = 128;
/** A UUID has 36 characters and a commit with a pipeline's name some 200. */
const REQUEST_ID_CHARACTERS_MAX = 256;
/** Linux: MAX_ARG_STRLEN, 32 pages for one argument or environment string, its final NUL included. */
const ARGUMENT_BYTES_MAX = 131_072 - 1;
/**
 * Linux: a quarter of the usual 8 MiB stack limit is what execve takes for arguments and environment
 * together.
 */
const PARAMS_BYTES_MAX = 2 * 1024 * 1024;
/** Linux: PATH_MAX. */
const PATH_BYTES_MAX = 4_096;
/** A week. Longer jobs are services. */
const TIMEOUT_SECONDS_MAX = 7 * 24 * 3600;
/** The longest visibility timeout that Amazon SQS takes: 12 hours. */
const VISIBILITY_SECONDS_MAX = 43_200;

export function invalidArgument(message: string): ConnectError {
  return new ConnectError(message, Code.InvalidArgument);
}

/** For programs that have to tell one refusal from another: the code is the same for all of them. */
export function refusedFor(reason: RefusalReason, message: string): ConnectError {
  const error = invalidArgument(message);
  error.details.push(refusalDetail(reason));
  return error;
}

/** The queue that a request names, or the default one. */
export function checkQueue(queue: string): string {
  if (queue === "") return DEFAULT_QUEUE;
  if (queue.length > QUEUE_CHARACTERS_MAX) {
    throw invalidArgument(
      `queue has ${queue.length} characters; at most ${QUEUE_CHARACTERS_MAX} are allowed`,
    );
  }
  // deno-lint-ignore no-control-regex -- finding control characters is the point
  if (/[\u0000-\u001f\u007f]/.test(queue)) throw invalidArgument("queue contains a control character");
  return queue;
}

/** The visibility timeout that a request names, in milliseconds, or the server's own when it names none. */
export function checkVisibility(seconds: number, defaultSeconds: number): number {
  if (seconds < 0 || seconds > VISIBILITY_SECONDS_MAX) {
    throw invalidArgument(
      `visibility_timeout_seconds is ${seconds}; it must be from 1 to ${VISIBILITY_SECONDS_MAX}, or 0 for ${defaultSeconds}`,
    );
  }
  return (seconds === 0 ? defaultSeconds : seconds) * 1000;
}

/** The request's parameters, checked and as bytes. */
export function checkEnqueue(request: EnqueueJobRequest): { params: JobParams; bytes: Uint8Array } {
  if (request.requestId.length > REQUEST_ID_CHARACTERS_MAX) {
    throw invalidArgument(`request_id is longer than ${REQUEST_ID_CHARACTERS_MAX} characters`);
  }
  const params = request.jobParams;
  if (!params) throw invalidArgument("job_params is required");
  if (params.command.trim() === "") {
    throw invalidArgument("job_params.command is required: the program to run");
  }
  checkArgument("command", params.command);
  params.args.forEach((argument, index) => checkArgument(`args[${index}]`, argument));
  checkEnvironment(params.environment);
  checkPath("working_directory", params.workingDirectory);
  params.container?.mounts.forEach((mount, index) => {
    checkPath(`container.mounts[${index}].source`, mount.source);
    checkPath(`container.mounts[${index}].target`, mount.target);
  });
  if (params.timeoutSeconds < 0 || params.timeoutSeconds > TIMEOUT_SECONDS_MAX) {
    throw invalidArgument(
      `job_params.timeout_seconds is ${params.timeoutSeconds}; it must be from 1 to ${TIMEOUT_SECONDS_MAX}, or 0 for none`,
    );
  }
  if (ProcessType[params.processType] === undefined) {
    throw invalidArgument(`job_params.process_type ${params.processType} is not known; use PIPE or PTY`);
  }
  for (const name of ["repository", "commit", "branch", "owner"] as const) checkNoNul(name, params[name]);
  const bytes = toBinary(JobParamsSchema, params);
  if (bytes.length > PARAMS_BYTES_MAX) {
    throw invalidArgument(`job_params has ${bytes.length} bytes; at most ${PARAMS_BYTES_MAX} are allowed`);
  }
  return { params, bytes };
}

function checkEnvironment(environment: JobParams["environment"]): void {
  for (const [name, value] of Object.entries(environment)) {
    // The name is quoted and the value never: it may be a secret.
    const shown = `environment[${JSON.stringify(name)}]`;
    if (name === "" || /[=\0]/.test(name)) {
      throw invalidArgument(
        `job_params.${shown} has a name that cannot be set: no empty name, no "=" and no NUL`,
      );
    }
    checkArgument(shown, `${name}=${value}`);
  }
}

function checkArgument(name: string, value: string): void {
  checkNoNul(name, value);
  checkLength(name, value, ARGUMENT_BYTES_MAX);
}

function checkPath(name: string, value: string): void {
  checkNoNul(name, value);
  checkLength(name, value, PATH_BYTES_MAX);
}

/** A NUL byte ends a string for the kernel: what follows it would be lost without a word. */
function checkNoNul(name: string, value: string): void {
  if (value.includes("\0")) throw invalidArgument(`job_params.${name} contains a NUL byte`);
}

function checkLength(name: string, value: string, bytesMax: number): void {
  // A UTF-16 unit takes at most three bytes of UTF-8, so short texts need not be encoded to be measured.
  const length = value.length * 3 <= bytesMax ? value.length : new TextEncoder().encode(value).length;
  if (length > bytesMax) {
    throw invalidArgument(`job_params.${name} has ${length} bytes; at most ${bytesMax} are allowed`);
  }
}
