/**
 * The processes of the real machine: started by the runtime, and found as the kernel shows them below /proc.
 * The runtime lets only programs read there that may do everything, which ours may not, so the files are read
 * through the C library.
 */
import { cpuUsage } from "node:process";
import { isClosed } from "./owned_directory.ts";
import type { OtherUser, ProcessEntry, Processes, SpawnOptions } from "./processes.ts";

const SYMBOLS = {
  open: { parameters: ["buffer", "i32", "u32"], result: "i32" },
  read: { parameters: ["i32", "buffer", "usize"], result: "isize" },
  close: { parameters: ["i32"], result: "i32" },
} as const;

const O_CLOEXEC = 0o2000000;
const BLOCK_BYTES = 64 * 1024;

export const systemProcesses: Processes = {
  ownId: Deno.pid,

  usage() {
    const { user, system } = cpuUsage();
    return {
      residentBytes: Deno.memoryUsage().rss,
      processorSeconds: (user + system) / 1e6,
      startedAtSeconds: performance.timeOrigin / 1000,
    };
  },

  spawn(options) {
    const child = asUser(options.user, () => start(options));
    return {
      pid: child.pid,
      stdout: child.stdout,
      stderr: child.stderr,
      exited: child.status.then(({ code, signal }) => ({ exitCode: code, signal: signal ?? undefined })),
    };
  },

  startBehind(args) {
    new Deno.Command(Deno.execPath(), {
      args: [...args],
      stdin: "null",
      stdout: "null",
      stderr: "null",
      detached: true,
    }).spawn().unref();
  },

  examineDirectory: (path, user) =>
    asUser(user, () => {
      if (!Deno.statSync(path).isDirectory) return "no_directory";
      return isClosed(path) ? "closed" : "usable";
    }),

  signalGroup: (groupId, signal) => Deno.kill(-groupId, signal),
  readSession,
  hasVariable,
};

function start(
  { command, args, environment, workingDirectory, user, readsOurInput }: SpawnOptions,
): Deno.ChildProcess {
  return new Deno.Command(command, {
    args: [...args],
    uid: user?.account.uid,
    cwd: workingDirectory || undefined,
    env: { ...environment },
    clearEnv: true,
    stdin: readsOurInput ? "inherit" : "null",
    stdout: "piped",
    stderr: "piped",
    detached: true,
  }).spawn();
}

function asUser<T>(user: OtherUser | undefined, action: () => T): T {
  return user === undefined ? action() : user.run(action);
}

/** Nothing where there is no /proc. */
function readSession(sessionId: number): ProcessEntry[] {
  if (Deno.build.os !== "linux") return [];
  using proc = openProc();
  const found: ProcessEntry[] = [];
  for (const { name } of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    // Undefined when it has ended since the directory was read.
    const stat = proc.read(`/proc/${name}/stat`);
    const entry = stat === undefined ? undefined : parseStat(decode(stat));
    if (entry?.sessionId === sessionId) found.push(entry);
  }
  return found;
}

function hasVariable(pid: number, name: string, value: string): boolean {
  if (Deno.build.os !== "linux") return false;
  using proc = openProc();
  const environment = proc.read(`/proc/${pid}/environ`);
  return environment !== undefined && decode(environment).split("\0").includes(`${name}=${value}`);
}

/**
 * A line of /proc/PID/stat: `PID (NAME) STATE PARENT GROUP SESSION …`, where the name may hold anything,
 * parentheses included. Undefined for a process that has ended and that only its parent has not yet asked
 * about.
 */
export function parseStat(line: string): ProcessEntry | undefined {
  const [state, , groupId, sessionId] = line.slice(line.lastIndexOf(")") + 2).split(" ");
  if (state === "Z" || state === "X") return undefined;
  return { pid: parseInt(line), groupId: Number(groupId), sessionId: Number(sessionId) };
}

function openProc() {
  const library = Deno.dlopen("libc.so.6", SYMBOLS);
  const { open, read, close } = library.symbols;
  return {
    /** A whole file; undefined when it is not there, or not for us. */
    read(path: string): Uint8Array | undefined {
      const fd = open(new TextEncoder().encode(path + "\0"), O_CLOEXEC, 0);
      if (fd < 0) return undefined;
      try {
        let bytes = new Uint8Array(BLOCK_BYTES);
        for (let length = 0;;) {
          const count = Number(read(fd, bytes.subarray(length), BigInt(bytes.length - length)));
          if (count < 0) return undefined;
          if (count === 0) return bytes.subarray(0, length);
          length += count;
          if (length < bytes.length) continue;
          const larger = new Uint8Array(2 * bytes.length);
          larger.set(bytes);
          bytes = larger;
        }
      } finally {
        close(fd);
      }
    },
    [Symbol.dispose]: () => library.close(),
  };
}

function decode(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
