/**
 * Something that a job waits for until its test says so: a named pipe. Opened for both directions, so that
 * neither waits for the other to open it, and a job that is gone keeps no test waiting.
 */
import assert from "node:assert/strict";

export class Gate implements Disposable {
  readonly path: string;
  readonly #file: Deno.FsFile;

  constructor(directory: string) {
    this.path = `${directory}/gate`;
    assert.ok(new Deno.Command("mkfifo", { args: [this.path] }).outputSync().success);
    this.#file = Deno.openSync(this.path, { read: true, write: true });
  }

  /** For a shell: waits until the gate is open. */
  get wait(): string {
    return `read line < ${this.path}`;
  }

  open(): void {
    this.#file.writeSync(new TextEncoder().encode("\n"));
  }

  [Symbol.dispose](): void {
    this.#file.close();
  }
}
