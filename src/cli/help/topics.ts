/**
 * The topics of `airunner help TOPIC`: what somebody needs to know who has only this program and a problem.
 * Pure.
 */
import { plain } from "../../config/nearest.ts";
import { AUTHENTICATION_TOPIC } from "./authentication_topic.ts";
import type { Topic } from "./topic.ts";
import { CONFIG_TOPIC, ENVIRONMENT_TOPIC, EXIT_CODES_TOPIC, FILES_TOPIC } from "./reference_topics.ts";
import { CORRUPT_LOG_TOPIC, DISK_FULL_TOPIC, NOT_SENDING_TOPIC } from "./trouble_topics.ts";

/** Troubles first: who is in trouble reads no further than necessary. */
export const TOPICS: readonly Topic[] = [
  NOT_SENDING_TOPIC,
  DISK_FULL_TOPIC,
  CORRUPT_LOG_TOPIC,
  AUTHENTICATION_TOPIC,
  CONFIG_TOPIC,
  ENVIRONMENT_TOPIC,
  EXIT_CODES_TOPIC,
  FILES_TOPIC,
];

/** The topic that some words name, whatever stands between them. */
export function findTopic(words: readonly string[]): Topic | undefined {
  const wanted = plain(words.join(""));
  return TOPICS.find(({ name }) => plain(name) === wanted);
}

/** For the end of the program's own help. */
export function topicList(): string {
  const width = Math.max(...TOPICS.map(({ name }) => name.length)) + 2;
  return "Topics:\n" + TOPICS.map(({ name, summary }) => `  ${name.padEnd(width)}${summary}\n`).join("");
}
