/**
 * The probe of the real machine.
 */
import { findUser } from "../platform/user_account.ts";
import { systemFiles } from "../platform/system_files.ts";
import type { ClientContext } from "../client/server_client.ts";
import { fileSystemOf, listDirectory, lookAt } from "./file_probe.ts";
import { lookThroughArchives, lookThroughLogs } from "./log_probe.ts";
import type { ConfigFacts, DoctorSettings, FileFacts, Probe } from "./probe.ts";
import { askServer, askWorker, signIn } from "./server_probe.ts";
import { measureSync } from "./sync_probe.ts";

/** What the probe needs of the program that it runs in. */
export interface ProbeContext extends ClientContext {
  /** The command line that does what `words` say, with what else it needs to mean the same directories and server. */
  command(words: string): string;
  /** Runs when the program ends, in whatever way it can notice. */
  atExit(action: () => void): void;
}

export function createSystemProbe(
  settings: DoctorSettings,
  context: ProbeContext,
  config: ConfigFacts,
): Probe {
  const { clock } = context;
  const nowMs = clock.nowMs();
  const { walDir, archiveDir, retentionDays } = settings;
  const isLocked = once(() => systemFiles.lockTable()?.isLocked ?? (() => false));
  const lists = new Map<string, Promise<readonly FileFacts[]>>();
  const list = (directory: string) => {
    const listed = lists.get(directory) ?? listDirectory(directory, isLocked());
    lists.set(directory, listed);
    return listed;
  };
  return {
    settings,
    nowMs,
    userId: Deno.uid() ?? undefined,
    hasUser: (name) => findUser(name) !== undefined,
    command: context.command,
    look: lookAt,
    list,
    fileSystem: fileSystemOf,
    measureSync: (directory) => measureSync({ directory, clock, atExit: context.atExit }),
    logs: once(async () => await lookThroughLogs(await list(walDir), clock)),
    archives: once(async () =>
      await lookThroughArchives(await list(archiveDir), { retentionDays, nowMs, clock })
    ),
    askServer: once((server: string) => askServer(server, clock)),
    signIn: (server) => signIn({ ...settings, server }, context),
    askWorker: once(() => askWorker(settings.metricsListen)),
    config: () => Promise.resolve(config),
  };
}

/** Several checks ask the same; they are given the same answer. */
function once<A extends unknown[], T>(find: (...args: A) => T): (...args: A) => T {
  let found: { value: T } | undefined;
  return (...args) => (found ??= { value: find(...args) }).value;
}
