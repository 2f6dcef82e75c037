import assert from "node:assert/strict";
import { parseConfigFile } from "../../config/config_file.ts";
import { ConfigFileError } from "../../config/config_file_error.ts";
import { environmentSource, flagSource, resolveSettings } from "../../config/resolve.ts";
import { fileSource } from "../../config/config_file.ts";
import type { LogLevel } from "../../platform/logging/logger.ts";
import { createLogger } from "../../platform/logging/text_logger.ts";
import { createMemoryContext } from "../../../tests/support/memory_context.ts";
import { reloadOnHangup } from "./reload_settings.ts";

const NAMES = ["logLevel", "retentionDays", "queue", "concurrency", "retryInitialInterval"] as const;

/** A program with a file that tests rewrite, and the lines that it says. */
class Reloaded {
  readonly lines: string[] = [];
  readonly levels: LogLevel[] = [];
  changes = 0;
  readonly live;
  #file: string | undefined;
  readonly #env: Record<string, string>;
  #hangUp: () => void = () => {};
  #settled = Promise.withResolvers<void>();

  constructor(file: string | undefined, env: Record<string, string> = {}) {
    this.#file = file;
    this.#env = env;
    const { values, ...loaded } = this.#load();
    this.live = { ...values };
    const memory = createMemoryContext([]);
    const logger = createLogger("debug", (line) => {
      this.lines.push(line);
      this.#settled.resolve();
    });
    reloadOnHangup({
      call: {
        context: {
          ...memory.context,
          signals: {
            ...memory.context.signals,
            takeHangup: (handler) => {
              this.#hangUp = handler;
              return () => {};
            },
          },
        },
        loaded,
        reload: () => Promise.resolve().then(() => this.#load()),
        setLogLevel: (level) => void this.levels.push(level),
      },
      live: this.live,
      logger,
      onChanged: () => this.changes++,
    });
  }

  #load() {
    if (this.#file === "unreadable") {
      throw new ConfigFileError("config.yaml", "it may not be read by this user");
    }
    const file = this.#file === undefined ? undefined : parseConfigFile(this.#file, "config.yaml");
    const sources = [flagSource({}), environmentSource((name) => this.#env[name])];
    const resolved = resolveSettings(NAMES, file ? [...sources, fileSource(file)] : sources, "/home/ci");
    return { ...resolved, file, locations: { named: undefined, candidates: [] } };
  }

  /** All lines that a reload of this file gives. */
  async hangUp(file: string | undefined): Promise<string[]> {
    this.#file = file;
    this.lines.length = 0;
    this.#settled = Promise.withResolvers();
    this.#hangUp();
    await this.#settled.promise;
    return [...this.lines];
  }
}

Deno.test("what can change is taken over, and what cannot is named and left alone", async () => {
  const program = new Reloaded("RetentionDays: 30\n");
  const lines = await program.hangUp(
    "RetentionDays: 7\nLogLevel: debug\nQueue: nightly\nretry_backoff: {initial_interval: 5s}\n",
  );
  assert.deepEqual(lines, [
    'INF Configuration reloaded path=config.yaml changed="LogLevel info -> debug, RetentionDays 30 -> 7, RetryBackoff.InitialInterval 1s -> 5s"',
    "WRN A setting cannot change while the worker runs; restart it for that. Nothing is lost by a restart setting=Queue in_force=default new_value=nightly",
  ]);
  const { retentionDays, queue, retryInitialInterval } = program.live;
  assert.deepEqual([retentionDays, queue, retryInitialInterval], [7, "default", 5000]);
  assert.deepEqual([program.levels, program.changes], [["debug"], 1]);
  assert.match(
    (await program.hangUp("RetentionDays: 7\nLogLevel: debug\nretry_backoff: {initial_interval: 5s}\n"))[0],
    /changed=nothing$/,
  );
  assert.equal(program.changes, 1);
});

Deno.test("a wrong file changes nothing, and says all that is wrong with it", async () => {
  const program = new Reloaded("RetentionDays: 30\n");
  const lines = await program.hangUp("RetentionDays: 7\nSync: never\nBanana: 1\n");
  assert.equal(lines.length, 2);
  assert.match(
    lines[0],
    /^ERR Configuration was not reloaded: it is wrong\. The settings of before stay in force path=config\.yaml line=2 column=7 error=/,
  );
  assert.match(lines[1], /line=3 column=1/);
  assert.equal(program.live.retentionDays, 30);
  assert.match((await program.hangUp("unreadable"))[0], /it may not be read by this user/);
  assert.deepEqual([program.levels, program.changes], [[], 0]);
});

Deno.test("a file that has gone does not reset everything", async () => {
  const program = new Reloaded("RetentionDays: 7\n");
  assert.match((await program.hangUp(undefined))[0], /^ERR .*the file is gone.*path=config\.yaml/);
  assert.equal(program.live.retentionDays, 7);
  assert.match((await program.hangUp("RetentionDays: 8\n"))[0], /RetentionDays 7 -> 8/);
});

Deno.test("a file that came after the start is read", async () => {
  const program = new Reloaded(undefined);
  assert.match(
    (await program.hangUp("Concurrency: 4\n"))[0],
    /path=config\.yaml changed="Concurrency 1 -> 4"/,
  );
});

Deno.test("a change in the file that something else wins over is said, once", async () => {
  const program = new Reloaded("LogLevel: info\n", { AIRUNNER_LOG_LEVEL: "warn" });
  const lines = await program.hangUp("LogLevel: debug\n");
  assert.match(lines[0], /changed=nothing/);
  assert.match(
    lines[1],
    /^WRN .*something else wins over the file setting=LogLevel winner=AIRUNNER_LOG_LEVEL$/,
  );
  assert.equal(program.live.logLevel, "warn");
  assert.equal((await program.hangUp("LogLevel: debug\n")).length, 1);
});
