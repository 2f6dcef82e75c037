/**
 * What a ListJobs request asks for, checked. Pure.
 */
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import type { ListJobsRequest } from "../../events/gen/airunner/v1/airunner_pb.ts";
import { JobState } from "../../events/gen/job/v1/job_pb.ts";
import { invalidArgument } from "../job_validation.ts";
import type { SearchFilter } from "../store/contract.ts";

/** As job.v1's ListJobs. */
const PAGE_SIZE = 50;
const PAGE_SIZE_MAX = 500;
/** As much as anybody types or pastes; each job's command line is searched for it. */
const SEARCH_CHARACTERS_MAX = 1_024;
/** Each pair is one more condition on every job. */
const METADATA_PAIRS_MAX = 16;
const METADATA_CHARACTERS_MAX = 4_096;

export function checkSearch(request: ListJobsRequest): SearchFilter {
  const { pageSize } = request;
  if (pageSize < 0 || pageSize > PAGE_SIZE_MAX) {
    throw invalidArgument(
      `page_size is ${pageSize}; it must be from 1 to ${PAGE_SIZE_MAX}, or 0 for ${PAGE_SIZE}`,
    );
  }
  if (request.search.length > SEARCH_CHARACTERS_MAX) {
    throw invalidArgument(
      `search has ${request.search.length} characters; at most ${SEARCH_CHARACTERS_MAX} are allowed`,
    );
  }
  return {
    queue: request.queue,
    states: checkStates(request.states),
    text: request.search,
    metadata: checkMetadata(request.metadata),
    createdFromMs: milliseconds(request.createdFrom),
    createdBeforeMs: milliseconds(request.createdBefore),
    pageSize: pageSize === 0 ? PAGE_SIZE : pageSize,
    before: request.pageToken === "" ? undefined : request.pageToken,
  };
}

/** Each state once: a client may name the same one any number of times. */
function checkStates(states: readonly JobState[]): JobState[] {
  for (const state of states) {
    if (state === JobState.UNSPECIFIED || JobState[state] === undefined) {
      throw invalidArgument(`states contains ${state}, which is no state of a job; leave it empty for all`);
    }
  }
  return [...new Set(states)];
}

function checkMetadata(metadata: ListJobsRequest["metadata"]): Record<string, string> {
  const pairs = Object.entries(metadata);
  if (pairs.length > METADATA_PAIRS_MAX) {
    throw invalidArgument(`metadata has ${pairs.length} pairs; at most ${METADATA_PAIRS_MAX} are allowed`);
  }
  const characters = pairs.reduce((sum, [key, value]) => sum + key.length + value.length, 0);
  if (characters > METADATA_CHARACTERS_MAX) {
    throw invalidArgument(
      `metadata has ${characters} characters in all; at most ${METADATA_CHARACTERS_MAX} are allowed`,
    );
  }
  return metadata;
}

/** Whole milliseconds, rounded alike at both ends: of two ranges that meet, each job is in exactly one. */
function milliseconds(timestamp: Timestamp | undefined): number | undefined {
  if (timestamp === undefined) return undefined;
  return Number(timestamp.seconds) * 1000 + Math.ceil(timestamp.nanos / 1e6);
}
