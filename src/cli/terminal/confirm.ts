/**
 * Asks a question on the terminal.
 */
import type { Context } from "../context.ts";

/** An answer is a word; whoever pipes a file in here did not mean to answer. */
const ANSWER_BYTES_MAX = 1024;

/** True for `y` and `yes`. Ask only where there is a terminal. */
export async function confirm(context: Context, question: string): Promise<boolean> {
  return /^y(es)?$/i.test(await ask(context, `${question} [y/N] `));
}

/**
 * The line that is typed, without blanks around it. The question goes to stderr, so that stdout stays data.
 */
export async function ask(context: Context, question: string): Promise<string> {
  await context.stdout.flush();
  await context.stderr.write(question);
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
  return answer.trim();
}
