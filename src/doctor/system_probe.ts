/**
 * The probe of the real machine.
 */
import { diskSpaceOf } from "../platform/disk_space.ts";
import { findUser } from "../platform/user_account.ts";
import type { ClientContext } from "../client/server_client.ts";
import { fileSystemKind } from "./file_system_kind.ts";
import { filesIn } from "../survey/directory.ts";
import { lookAt } from "./file_probe.ts";
import { askCertificate, readAuthorizedKeys, readCertificateFile } from "./key_probe.ts";
import { lookThroughArchives, lookThroughLogs } from "./log_probe.ts";
import type { ConfigFacts, DoctorSettings, FileFacts, Probe } from "./probe.ts";
import { askServer, askWorker, signIn } from "./server_probe.ts";
import { measureSync } from "./sync_probe.ts";

/** What the probe needs of the program that it runs in. */
export interface ProbeContext extends ClientContext {
  userId(): number | undefined;
  /**
   * The command line that does what `words` say, with what else it needs to mean the same directories and
   * server.
   */
  command(words: string): string;
  /** Runs when the program ends, in whatever way it can notice. */
  atExit(action: () => void): void;
}

export function createSystemProbe(
  settings: DoctorSettings,
  context: ProbeContext,
  config: ConfigFacts,
): Probe {
  const { clock, files, network } = context;
  const nowMs = clock.nowMs();
  const { walDir, archiveDir, retentionDays } = settings;
  const locks = once(() => files.lockTable());
  const lists = new Map<string, Promise<readonly FileFacts[]>>();
  const find = async (directory: string) => {
    const found = await filesIn(context, directory);
    return found.map((file) => ({ ...file, isLocked: locks()?.isLocked(file) ?? false }));
  };
  const list = (directory: string) => {
    const known = lists.get(directory) ?? find(directory);
    lists.set(directory, known);
    return known;
  };
  return {
    settings,
    nowMs,
    userId: context.userId(),
    hasUser: (name) => findUser(name) !== undefined,
    command: context.command,
    look: (path) => lookAt(files, path),
    list,
    fileSystems: once(async () => {
      const disks = await diskSpaceOf(files, [walDir, archiveDir]);
      return disks.map(({ type, ...space }) => ({ kind: fileSystemKind(type), ...space }));
    }),
    measureSync: (directory) => measureSync({ directory, clock, files, atExit: context.atExit }),
    logs: once(async () => await lookThroughLogs(context, await list(walDir))),
    archives: once(async () =>
      await lookThroughArchives(files, await list(archiveDir), { retentionDays, nowMs, clock })
    ),
    askServer: once((server: string) => askServer(server, settings.caFile, context)),
    askCertificate: (server) => askCertificate(server, network),
    readCertificate: (path) => readCertificateFile(path, files),
    readAuthorizedKeys: (directory) => readAuthorizedKeys(directory, files),
    signIn: (server) => signIn({ ...settings, server }, context),
    askWorker: once(() => askWorker(settings.metricsListen, network)),
    config: () => Promise.resolve(config),
  };
}

/** Several checks ask the same; they are given the same answer. */
function once<A extends unknown[], T>(find: (...args: A) => T): (...args: A) => T {
  let found: { value: T } | undefined;
  return (...args) => (found ??= { value: find(...args) }).value;
}
