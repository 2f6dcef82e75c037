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
/** A UUID has 36 characters; whatever else a caller takes for an id is quoted in the answer. */
const JOB_ID_CHARACTERS_MAX = 128;
/** Linux: a host's name has 64 characters (HOST_NAME_MAX), and there may be several workers on it. */
const NAME_CHARACTERS_MAX = 128;
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

/** For programs that have to tell one refusal from another: many of them have the same code. */
export function refusedFor(
  reason: RefusalReason,
  message: string,
  code: Code = Code.InvalidArgument,
): ConnectError {
  const error = new ConnectError(message, code);
  error.details.push(refusalDetail(reason));
  return error;
}

/** The queue that a request names, or the default one. */
export function checkQueue(queue: string): string {
  if (queue === "") return DEFAULT_QUEUE;
  return checkText("queue", queue, QUEUE_CHARACTERS_MAX);
}

/** Text that is shown to people as it is. @throws ConnectError */
export function checkText(field: string, text: string, charactersMax: number): string {
  if (text.length > charactersMax) {
    throw invalidArgument(`${field} has ${text.length} characters; at most ${charactersMax} are allowed`);
  }
  // deno-lint-ignore no-control-regex -- finding control characters is the point
  if (/[\u0000-\u001f\u007f-\u009f]/.test(text)) {
    throw invalidArgument(`${field} contains a control character`);
  }
  return text;
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
  checkRequestId(request.requestId);
  const params = request.jobParams;
  if (!params) throw invalidArgument("job_params is required");
  if (params.command.trim() === "") {
    throw invalidArgument("job_params.command is required: the program to run");
  }
  return { params, bytes: checkParams(params) };
}

export function checkRequestId(requestId: string): void {
  if (requestId.length > REQUEST_ID_CHARACTERS_MAX) {
    throw invalidArgument(`request_id is longer than ${REQUEST_ID_CHARACTERS_MAX} characters`);
  }
}

/** The id of a job that a request names. What no job can have is refused before it is looked for. */
export function checkJobId(jobId: string): string {
  if (jobId === "") throw invalidArgument("job_id is required");
  return checkText("job_id", jobId, JOB_ID_CHARACTERS_MAX);
}

/**
 * A name that a worker gives itself or its run. It is shown on screens and sent in headers, so that it is
 * printable ASCII. @throws ConnectError
 */
export function checkName(field: string, name: string): string {
  if (name.length > NAME_CHARACTERS_MAX) {
    throw invalidArgument(
      `${field} has ${name.length} characters; at most ${NAME_CHARACTERS_MAX} are allowed`,
    );
  }
  if (!/^[\x20-\x7e]*$/.test(name)) {
    throw invalidArgument(`${field} contains a character that is not printable ASCII`);
  }
  return name;
}

/** Parameters of a job as bytes, whether or not they name a command. @throws ConnectError */
export function checkParams(params: JobParams): Uint8Array {
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
  return bytes;
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
