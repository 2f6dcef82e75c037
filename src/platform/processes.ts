/**
 * Processes of this machine as the kernel shows them below /proc. The runtime lets only programs read there that may do
 * everything, which ours may not, so the files are read through the C library.
 */

/** One living process: where it belongs, by the numbers of its group's and its session's first process. */
export interface ProcessEntry {
  pid: number;
  groupId: number;
  sessionId: number;
}

const SYMBOLS = {
  open: { parameters: ["buffer", "i32", "u32"], result: "i32" },
  read: { parameters: ["i32", "buffer", "usize"], result: "isize" },
  close: { parameters: ["i32"], result: "i32" },
} as const;

const O_CLOEXEC = 0o2000000;
const BLOCK_BYTES = 64 * 1024;

/** The living processes of a session, whether or not its first process is among them; none where there is no /proc. */
export function readSession(sessionId: number): ProcessEntry[] {
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

/** Whether a process was started with this environment variable. False also when its environment is not ours to read. */
export function hasVariable(pid: number, name: string, value: string): boolean {
  if (Deno.build.os !== "linux") return false;
  using proc = openProc();
  const environment = proc.read(`/proc/${pid}/environ`);
  return environment !== undefined && decode(environment).split("\0").includes(`${name}=${value}`);
}

/**
 * A line of /proc/PID/stat: `PID (NAME) STATE PARENT GROUP SESSION …`, where the name may hold anything, parentheses included.
 * Undefined for a process that has ended and that only its parent has not yet asked about.
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
