/**
 * A job's output on a terminal: colours pass, and everything else that a terminal would act upon is made
 * visible. A job must not move the cursor over our lines, set the window's title, or answer for the user.
 * Pure.
 */
import { escapeControls } from "../platform/logging/format.ts";

/** Line feed, carriage return and tab lay out text; `ESC [ … m` is colour. Everything else is escaped. */
// deno-lint-ignore no-control-regex -- telling control sequences apart is the point
const HARMLESS = /\u001b\[[0-9;:]*m|[\n\r\t]/g;

/** What may still become a colour when the next bytes come. */
// deno-lint-ignore no-control-regex -- telling control sequences apart is the point
const UNFINISHED = /\u001b(\[[0-9;:]{0,32})?$/;

export class TerminalFilter {
  // Bytes that are no UTF-8 become the replacement character; a character cut in two is put together again.
  readonly #decoder = new TextDecoder();
  #held = "";

  push(bytes: Uint8Array): string {
    return this.#filter(this.#decoder.decode(bytes, { stream: true }), true);
  }

  /** What was held back in the hope of more. */
  finish(): string {
    return this.#filter(this.#decoder.decode(), false);
  }

  #filter(decoded: string, mayGoOn: boolean): string {
    let text = this.#held + decoded;
    this.#held = mayGoOn ? UNFINISHED.exec(text)?.[0] ?? "" : "";
    text = text.slice(0, text.length - this.#held.length);
    let result = "";
    let end = 0;
    for (const match of text.matchAll(HARMLESS)) {
      result += escapeControls(text.slice(end, match.index)) + match[0];
      end = match.index + match[0].length;
    }
    return result + escapeControls(text.slice(end));
  }
}
