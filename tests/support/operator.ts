/**
 * An operator at three in the morning: has the compiled binary, a home directory, and the operations table,
 * and types what a row says.
 */
import assert from "node:assert/strict";
import { BINARY, Program, Sandbox } from "./airunner.ts";
import type { OperationsRow } from "./operations_table.ts";
import { normalizeScreen } from "./transcript.ts";

export interface Screen {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** What stands for a word of the table, such as `JOB` or `URL`. */
export type Words = Readonly<Record<string, string>>;

export interface TypeOptions {
  /** A program that runs the command, such as strace with its options. */
  readonly under?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** Commands whose screens depend on the logs alone; others show the machine, or what happens just then. */
const KEPT = /^airunner wal (?!stats)/;

/** The sandbox's data directory is the default one: commands of the table name `~/.airunner`. */
export class Operator extends Sandbox {
  override readonly dataDir = `${this.directory}/.airunner`;
  readonly metricsAddress = freeAddress();
  readonly #row: OperationsRow;
  readonly #typed = new Set<number>();
  readonly #started: Program[] = [];
  #screens = "";
  #transcript = "";

  constructor(row: OperationsRow) {
    super();
    this.#row = row;
  }

  /** Types the row's command with this number, from 0, and waits for its end. */
  async type(index: number, words: Words = {}, options: TypeOptions = {}): Promise<Screen> {
    const output = await this.#command(this.#row.commands[index], words, options).output();
    this.#typed.add(index);
    const screen = {
      code: output.code,
      stdout: new TextDecoder().decode(output.stdout),
      stderr: new TextDecoder().decode(output.stderr),
    };
    this.#screens += screen.stdout + screen.stderr;
    if (KEPT.test(this.#row.commands[index])) {
      this.#transcript += `$ ${this.#row.commands[index]}\n${screen.stdout}${screen.stderr}`;
      if (screen.code !== 0) this.#transcript += `[exit code ${screen.code}]\n`;
      this.#transcript += "\n";
    }
    return screen;
  }

  /** The same for a command that runs until it is stopped. */
  startTyping(index: number, words: Words = {}, options: TypeOptions = {}): Program {
    this.#typed.add(index);
    return this.#start(this.#row.commands[index], words, options);
  }

  /** Types a command that a screen suggested. */
  async paste(command: string): Promise<Screen> {
    const { code, stdout, stderr } = await this.#command(command, {}, {}).output();
    return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
  }

  /** The same for one that runs until it is stopped. */
  startPasting(command: string, options: TypeOptions = {}): Program {
    return this.#start(command, {}, options);
  }

  #start(line: string, words: Words, options: TypeOptions): Program {
    const program = new Program(this.#command(line, words, options).spawn());
    this.#started.push(program);
    return program;
  }

  /** Every command of the row was typed, and all that it promises was seen. */
  async assertAllSeen(): Promise<void> {
    for (const program of this.#started) this.#screens += (await program.kill("SIGTERM")).stderr;
    const { commands, seen } = this.#row;
    assert.deepEqual(commands.filter((_, index) => !this.#typed.has(index)), [], "these were not typed");
    for (const text of seen) {
      assert.ok(
        this.#screens.includes(text),
        `docs/operations.md says that one sees ${text}, but the screens are:\n${this.#screens}`,
      );
    }
  }

  /**
   * What was typed and seen, for comparison with what is expected; empty when nothing of it is the same in
   * every run.
   */
  transcript(isVarying: boolean): string {
    return normalizeScreen(this.#transcript, { home: this.directory, isVarying });
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    for (const program of this.#started) await program.kill("SIGKILL");
    await super[Symbol.asyncDispose]();
  }

  #command(line: string, words: Words, { under = [], env: more = {} }: TypeOptions): Deno.Command {
    const env: Record<string, string> = {
      PATH: Deno.env.get("PATH") ?? "/usr/bin:/bin",
      HOME: this.directory,
      AIRUNNER_METRICS_LISTEN: this.metricsAddress,
      ...more,
    };
    const typed = splitWords(line).map((word) => this.#resolve(word, words));
    for (let match; (match = /^([A-Z_]+)=(.*)$/.exec(typed[0]));) {
      env[match[1]] = match[2];
      typed.shift();
    }
    if (typed[0] === "airunner") typed[0] = BINARY;
    const [program, ...args] = [...under, ...typed];
    return new Deno.Command(program, {
      args,
      cwd: this.directory,
      clearEnv: true,
      env,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    });
  }

  #resolve(word: string, words: Words): string {
    let resolved = word;
    for (const [name, value] of Object.entries({ "127.0.0.1:9464": this.metricsAddress, ...words })) {
      resolved = resolved.replaceAll(name, value);
    }
    return resolved.replace(/^~(?=\/)/, this.directory);
  }
}

/** As a shell would, for what our screens suggest: words between blanks, single quotes around some. */
function splitWords(line: string): string[] {
  return [...line.matchAll(/(?:[^\s']|'[^']*')+/g)].map(([word]) => word.replaceAll("'", ""));
}

/** An address that nobody listens at now; whoever takes it in between makes the test fail, not pass. */
function freeAddress(): string {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return `127.0.0.1:${listener.addr.port}`;
}
