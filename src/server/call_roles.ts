/**
 * Which role may make which call: the one table of it. A call that is not in it is nobody's.
 */
import type { DescMethod } from "@bufbuild/protobuf";
import type { Role } from "../keys/roles.ts";
import type { Caller } from "./caller.ts";

/** What reads and changes nothing. */
const READ = [
  "airunner.v1.JobsService/GetJob",
  "airunner.v1.JobsService/ListJobs",
  "airunner.v1.JobsService/ListQueues",
  "airunner.v1.JobsService/ListWorkers",
  "job.v1.JobService/ListJobs",
  "job.v1.JobEventsService/StreamJobEvents",
] as const;

/** Who submits a job follows it, and may end it. */
const SUBMIT = [
  ...READ,
  "job.v1.JobService/EnqueueJob",
  "airunner.v1.JobsService/CancelJob",
  "airunner.v1.JobsService/RetryJob",
] as const;

/** What a host does that runs jobs. It sees the jobs it is given, and nobody's output. */
const RUN = [
  "job.v1.JobService/DequeueJob",
  "job.v1.JobService/UpdateJob",
  "job.v1.JobService/CompleteJob",
  "job.v1.JobEventsService/PublishJobEvents",
  "airunner.v1.WorkerService/Watch",
  "airunner.v1.WorkerService/AdoptExecution",
  "airunner.v1.WorkerService/CompareEvents",
  // Workers, other implementations' too, ask with it whether the server answers.
  "job.v1.JobService/ListJobs",
] as const;

/** Everything, and what cannot be taken back. */
const ADMIN = [...SUBMIT, ...RUN, "airunner.v1.JobsService/DeleteJob"] as const;

/** A call, as `SERVICE/METHOD`, the service with its package. */
export type Call = (typeof ADMIN)[number];

/** The calls of each role. */
export const CALLS_OF_ROLE: { readonly [R in Role]: readonly Call[] } = {
  read: READ,
  submit: SUBMIT,
  run: RUN,
  admin: ADMIN,
};

const ROLES_OF_CALL = rolesOfCalls();

function rolesOfCalls(): ReadonlyMap<string, readonly Role[]> {
  const roles = new Map<string, Role[]>();
  for (const [role, calls] of Object.entries(CALLS_OF_ROLE) as [Role, readonly Call[]][]) {
    for (const call of calls) roles.set(call, [...roles.get(call) ?? [], role]);
  }
  return roles;
}

/** As the table has it. */
export function callName(method: DescMethod): string {
  return `${method.parent.typeName}/${method.name}`;
}

/** The roles that may make the call, each of which is enough; none for a call that is not in the table. */
export function rolesFor(method: DescMethod): readonly Role[] {
  return ROLES_OF_CALL.get(callName(method)) ?? [];
}

export function mayCall({ roles }: Caller, method: DescMethod): boolean {
  return rolesFor(method).some((role) => roles.has(role));
}
