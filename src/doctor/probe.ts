/**
 * What the checks may know of the machine. Everything they measure goes through here, so that each check is a
 * function of facts and can be tested with any; `system_probe.ts` has the real ones. Nothing is written but
 * one small file, by `measureSync`.
 */
import type { SettingName, SettingValues } from "../config/settings.ts";
import type { AuthorizedDirectory } from "../keys/authorized_directory.ts";
import type { Certificate } from "../platform/tls/certificate.ts";
import type { ListedFile } from "../survey/directory.ts";
import type { LogFacts } from "../survey/facts.ts";

export const DOCTOR_SETTINGS = [
  "server",
  "credential",
  "caFile",
  "requestTimeout",
  "queue",
  "walDir",
  "archiveDir",
  "minFreeSpace",
  "retentionDays",
  "sync",
  "metricsListen",
  "jobUser",
  "tlsCert",
  "authorizedKeys",
] as const satisfies readonly SettingName[];

export type DoctorSettings = SettingValues<(typeof DOCTOR_SETTINGS)[number] | "dataDir">;

export interface Probe {
  readonly settings: DoctorSettings;
  readonly nowMs: number;
  /** Undefined where the system has none. */
  readonly userId: number | undefined;
  /** Whether the machine has a user of that name. */
  hasUser(name: string): boolean;
  /**
   * A command line of ours, with the options of this run that it needs to mean the same directories and
   * server.
   */
  command(words: string): string;
  /** What is at a path, links followed; undefined when there is nothing. */
  look(path: string): Promise<PathFacts | undefined>;
  /** The regular files in a directory, hidden ones included; none when it does not exist. */
  list(directory: string): Promise<readonly FileFacts[]>;
  /** The file systems that logs and archives are on, or would be on, each of them once. */
  fileSystems(): Promise<readonly FileSystemFacts[]>;
  /** Times of fdatasync on a small file in the directory, which is made and removed for that. */
  measureSync(directory: string): Promise<SyncFacts>;
  /**
   * The logs of the directory, as far as there was time to read them. Looked at once, however many checks
   * ask.
   */
  logs(): Promise<LogDirectoryFacts>;
  archives(): Promise<ArchiveDirectoryFacts>;
  /** What answers at the server's address. */
  askServer(server: string): Promise<ServerAnswer>;
  /** A call that changes nothing and that a server answers only to who may call it. */
  signIn(server: string): Promise<SignInAnswer>;
  /** The certificate that the server shows, whether or not it is to be believed. */
  askCertificate(server: string): Promise<CertificateAnswer>;
  readCertificate(path: string): Promise<CertificateAnswer>;
  readAuthorizedKeys(directory: string): Promise<AuthorizedFacts>;
  /** What a worker on this host says at its metrics address. */
  askWorker(): Promise<WorkerAnswer>;
  config(): Promise<ConfigFacts>;
}

export interface PathFacts {
  readonly kind: "directory" | "file" | "broken_link" | "other";
  /** Where the path leads to when it is a symbolic link. */
  readonly linkTarget: string | undefined;
  /** Permission bits alone. */
  readonly mode: number;
  readonly ownerId: number | undefined;
}

export interface FileFacts extends ListedFile {
  /** Some process holds the kernel's lock on it. */
  readonly isLocked: boolean;
}

export interface FileSystemFacts {
  /** `ext4`, `nfs`, or the number in hexadecimal when it is none that we know. */
  readonly kind: string;
  /** The directories that lie on it, of logs or of archives or both. */
  readonly directories: readonly string[];
  readonly totalBytes: number;
  readonly freeBytes: number;
  /** 0 on file systems that do not count them. */
  readonly totalInodes: number;
  readonly freeInodes: number;
}

export interface SyncFacts {
  /** In order of their size; empty when none ended in time. */
  readonly durationsMs: readonly number[];
  /** The last one had not ended when everybody would have given up. */
  readonly isHanging: boolean;
}

/** A log that was read. A damaged end of one that is locked is a write under way. */
export interface ReadLog
  extends Pick<LogFacts, "pending" | "failed" | "oldestPendingMs" | "completion" | "damage"> {
  readonly path: string;
  readonly isLocked: boolean;
}

export interface LogDirectoryFacts {
  readonly logs: readonly ReadLog[];
  /** Names of logs that were not read because time was up, or that could not be read. */
  readonly unread: number;
  readonly unreadable: readonly { path: string; why: string }[];
  /** Paths of damaged logs that were set aside. */
  readonly quarantined: readonly string[];
}

export interface ArchiveDirectoryFacts {
  readonly files: number;
  readonly bytes: number;
  /** Archives past their time of which the server has everything: retention should have taken them. */
  readonly overdue: number;
  /** Archives that stay, whatever their age, because the server lacks some of their events. */
  readonly unsent: number;
  readonly pending: number;
  readonly failed: number;
  readonly oldestMs: number | undefined;
}

export type ServerAnswer =
  | { readonly kind: "none"; readonly why: string }
  | {
    readonly kind: "answer";
    readonly status: number;
    readonly tookMs: number;
    /**
     * How far this machine's clock is ahead of the server's at least, in either direction; undefined: it did
     * not say its time.
     */
    readonly aheadMs: number | undefined;
  };

export type SignInAnswer =
  | { readonly kind: "accepted"; readonly isSigned: boolean }
  | { readonly kind: "refused"; readonly why: string; readonly credentialsFile: string | undefined }
  | { readonly kind: "unreachable" | "other"; readonly why: string };

export type CertificateAnswer =
  | { readonly kind: "none"; readonly why: string }
  | { readonly kind: "shown"; readonly certificate: Certificate };

export type AuthorizedFacts =
  | { readonly kind: "none"; readonly why: string }
  | { readonly kind: "read" } & AuthorizedDirectory;

export type WorkerAnswer =
  | { readonly kind: "none" }
  | { readonly kind: "ready" }
  | { readonly kind: "not_ready"; readonly reasons: readonly string[] }
  | { readonly kind: "stranger"; readonly status: number };

export interface ConfigFacts {
  /** Undefined: there is none, and the defaults hold. */
  readonly path: string | undefined;
  /** One sentence each. */
  readonly mistakes: readonly string[];
}
