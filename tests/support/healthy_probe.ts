/**
 * A healthy machine for tests, of which each test changes what it is about.
 */
import type {
  ArchiveDirectoryFacts,
  DoctorSettings,
  FileFacts,
  FileSystemFacts,
  Probe,
  ReadLog,
} from "../../src/doctor/probe.ts";

export const NOW_MS = Date.UTC(2026, 0, 1);

export const SETTINGS: DoctorSettings = {
  server: "http://ci.example:8080",
  credential: undefined,
  caFile: undefined,
  tlsCert: undefined,
  authorizedKeys: undefined,
  jobUser: undefined,
  requestTimeout: 30_000,
  queue: "default",
  dataDir: "/data",
  walDir: "/data/wal",
  archiveDir: "/data/archive",
  minFreeSpace: 256e6,
  retentionDays: 30,
  sync: "always",
  metricsListen: { hostname: "127.0.0.1", port: 9464 },
};

export const DISK: FileSystemFacts = {
  kind: "ext4",
  directories: ["/data/wal", "/data/archive"],
  totalBytes: 100e9,
  freeBytes: 60e9,
  totalInodes: 1_000_000,
  freeInodes: 900_000,
};

export const NO_ARCHIVES: ArchiveDirectoryFacts = {
  files: 0,
  bytes: 0,
  overdue: 0,
  unsent: 0,
  pending: 0,
  failed: 0,
  oldestMs: undefined,
};

export const NO_LOGS = { logs: [], unread: 0, unreadable: [], quarantined: [] };

export function log(facts: Partial<ReadLog> = {}): ReadLog {
  return {
    path: "/data/wal/job-1.wal",
    isLocked: false,
    pending: 0,
    failed: 0,
    oldestPendingMs: null,
    damage: null,
    completion: null,
    ...facts,
  };
}

export function file(name: string, facts: Partial<FileFacts> = {}): FileFacts {
  return {
    name,
    path: `/data/wal/${name}`,
    dev: 1,
    ino: 1,
    bytes: 10,
    mtimeMs: NOW_MS,
    mode: 0o600,
    ownerId: 1000,
    isLocked: false,
    ...facts,
  };
}

export function testProbe(changes: Partial<Probe> = {}): Probe {
  return {
    settings: SETTINGS,
    nowMs: NOW_MS,
    userId: 1000,
    hasUser: (name) => name === "ci",
    command: (words) => `airunner ${words}`,
    look: () => Promise.resolve({ kind: "directory", linkTarget: undefined, mode: 0o700, ownerId: 1000 }),
    list: () => Promise.resolve([]),
    fileSystems: () => Promise.resolve([DISK]),
    measureSync: () => Promise.resolve({ durationsMs: [0.1, 0.2, 0.3], isHanging: false }),
    logs: () => Promise.resolve(NO_LOGS),
    archives: () => Promise.resolve(NO_ARCHIVES),
    askServer: () => Promise.resolve({ kind: "answer", status: 200, tookMs: 3, aheadMs: 0 }),
    signIn: () => Promise.resolve({ kind: "accepted", isSigned: true }),
    askCertificate: () => Promise.resolve({ kind: "none", why: "nobody asked for one" }),
    readCertificate: () => Promise.resolve({ kind: "none", why: "nobody asked for one" }),
    readAuthorizedKeys: () => Promise.resolve({ kind: "read", keys: [], unusable: [] }),
    askWorker: () => Promise.resolve({ kind: "ready" }),
    config: () => Promise.resolve({ path: undefined, mistakes: [] }),
    ...changes,
  };
}

/** What each pasted command would be, for comparisons. */
export function commandsOf({ cures }: { cures: readonly (readonly [string, string])[] }): string[] {
  return cures.map(([command]) => command);
}
