/**
 * Asks a question on the terminal.
 */
import type { Context } from "./context.ts";

/** An answer is a word; whoever pipes a file in here did not mean to answer. */
const ANSWER_BYTES_MAX = 1024;

/** True for `y` and `yes`. The question goes to stderr, so that stdout stays data. Ask only where there is a terminal. */
export async function confirm(context: Context, question: string): Promise<boolean> {
  await context.stdout.flush();
  await context.stderr.write(`${question} [y/N] `);
  await context.stderr.flush();
  const reader = context.stdin.getReader();
  const decoder = new TextDecoder();
  let answer = "";
  try {
    while (!answer.includes("\n") && answer.length < ANSWER_BYTES_MAX) {
      const { done, value } = await reader.read();
      if (done) break;
      answer += decoder.decode(value, { stream: true });
    }
  } finally {
    reader.releaseLock();
  }
  return /^y(es)?$/i.test(answer.trim());
}
