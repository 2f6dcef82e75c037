/**
 * Acting as another user for the length of one synchronous call, for workers whose jobs run as one.
 *
 * Linux keeps users, groups and capabilities for each thread. Only the thread that runs our code changes (it
 * is also the one that starts processes), through system calls of its own: the C library's functions would
 * change all threads, and with them the writing of logs. Within the call the thread has the user's groups and
 * its view of files, and of all capabilities only CAP_SETUID:
 * - a process that is started with the user's `uid` keeps these groups, because the runtime, which empties
 *   the list of groups before every start, may not then; and it has no capability once it runs its program;
 * - its program, its working directory and its arguments are looked up with the user's rights, not with ours;
 * - nothing of a job's environment, such as LD_PRELOAD, is ever loaded into a process that has more rights
 *   than the job. The thread's own user stays what it is, so that the user's processes can at no time signal
 *   or trace the worker.
 */
import { messageOf } from "./error_text.ts";
import type { UserAccount } from "./user_account.ts";

const SYMBOLS = {
  syscall: { parameters: ["i64", "i64", "i64", "i64"], result: "i64" },
  syscallWithBuffer: { name: "syscall", parameters: ["i64", "i64", "buffer"], result: "i64" },
  getgroups: { parameters: ["i32", "buffer"], result: "i32" },
  getresgid: { parameters: ["buffer", "buffer", "buffer"], result: "i32" },
  capget: { parameters: ["buffer", "buffer"], result: "i32" },
  capset: { parameters: ["buffer", "buffer"], result: "i32" },
  prctl: { parameters: ["i32", "usize", "usize", "usize", "usize"], result: "i32" },
} as const;

/** From Linux's asm/unistd.h. */
const CALLS = Deno.build.arch === "aarch64"
  ? { setgroups: 159n, setresgid: 149n, setfsuid: 151n }
  : { setgroups: 116n, setresgid: 119n, setfsuid: 122n };
/** No user's number: asks setfsuid for the present one. */
const NOBODY_AT_ALL = -1n;

/** From Linux's linux/capability.h: bits of the lower word. */
const CAPABILITIES = { CAP_CHOWN: 0, CAP_KILL: 5, CAP_SETGID: 6, CAP_SETUID: 7 } as const;
export type CapabilityName = keyof typeof CAPABILITIES;
const CAPABILITY_VERSION_3 = 0x20080522;
// Two times effective, permitted, inheritable; the lower words first.
const EFFECTIVE = [0, 3] as const;
const INHERITABLE = [2, 5] as const;

const PR_GET_DUMPABLE = 3;
const PR_SET_DUMPABLE = 4;

type Libc = Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];

export class ActingUser implements Disposable {
  readonly #library = Deno.dlopen("libc.so.6", SYMBOLS);
  readonly #account: UserAccount;

  /** @throws {Error} where the C library has not what it takes */
  constructor(account: UserAccount) {
    this.#account = account;
  }

  /** Those of the names that this process lacks; root has all of them, unless they were taken from it. */
  missing(names: readonly CapabilityName[]): CapabilityName[] {
    const effective = readCapabilities(this.#library.symbols)[EFFECTIVE[0]];
    return names.filter((name) => (effective >>> CAPABILITIES[name] & 1) === 0);
  }

  /**
   * From now on no process that is started gets any of our capabilities, as those of systemd's
   * AmbientCapabilities= would.
   */
  keepCapabilities(): void {
    const libc = this.#library.symbols;
    const sets = readCapabilities(libc);
    for (const at of INHERITABLE) sets[at] = 0;
    // What is not inheritable is not ambient either: the kernel sees to that.
    writeCapabilities(libc, sets);
  }

  /**
   * Calls `action`, which must do all of its work before it returns.
   * @throws {Error} when the system does not let us, and what `action` throws
   */
  run<T>(action: () => T): T {
    const libc = this.#library.symbols;
    const own = readCredentials(libc);
    try {
      change(libc, this.#account);
      return action();
    } finally {
      try {
        restore(libc, own);
      } catch (error) {
        endAtOnce(error);
      }
    }
  }

  [Symbol.dispose](): void {
    this.#library.close();
  }
}

interface Credentials {
  groups: Uint32Array<ArrayBuffer>;
  /** Real, effective, saved. */
  gids: readonly [number, number, number];
  fileUid: bigint;
  capabilities: Uint32Array<ArrayBuffer>;
  dumpable: number;
}

function readCredentials(libc: Libc): Credentials {
  const groups = new Uint32Array(libc.getgroups(0, new Uint8Array(4)));
  // An empty buffer has no address.
  if (groups.length > 0) libc.getgroups(groups.length, new Uint8Array(groups.buffer));
  const [real, effective, saved] = [new Uint32Array(1), new Uint32Array(1), new Uint32Array(1)];
  libc.getresgid(new Uint8Array(real.buffer), new Uint8Array(effective.buffer), new Uint8Array(saved.buffer));
  return {
    groups,
    gids: [real[0], effective[0], saved[0]],
    fileUid: libc.syscall(CALLS.setfsuid, NOBODY_AT_ALL, 0n, 0n),
    capabilities: readCapabilities(libc),
    dumpable: libc.prctl(PR_GET_DUMPABLE, 0n, 0n, 0n, 0n),
  };
}

function change(libc: Libc, { uid, gid, groups }: UserAccount): void {
  setGroups(libc, new Uint32Array(groups));
  setGids(libc, [gid, gid, gid]);
  setFileUid(libc, BigInt(uid));
  const sets = readCapabilities(libc);
  sets[EFFECTIVE[0]] &= 1 << CAPABILITIES.CAP_SETUID;
  sets[EFFECTIVE[1]] = 0;
  for (const at of INHERITABLE) sets[at] = 0;
  writeCapabilities(libc, sets);
}

function restore(libc: Libc, { groups, gids, fileUid, capabilities, dumpable }: Credentials): void {
  // First of all, because the rest needs them.
  writeCapabilities(libc, capabilities);
  setFileUid(libc, fileUid);
  setGids(libc, gids);
  setGroups(libc, groups);
  // A change of user opens a process to others where fs.suid_dumpable says so.
  libc.prctl(PR_SET_DUMPABLE, BigInt(dumpable), 0n, 0n, 0n);
}

/**
 * The thread has the rights of another user and does not get its own back: nothing it did now would be right.
 */
function endAtOnce(error: unknown): never {
  const text = `Ending at once: ${
    messageOf(error)
  }. Logs are as after a crash; the next start goes on from them.\n`;
  Deno.stderr.writeSync(new TextEncoder().encode(text));
  Deno.kill(Deno.pid, "SIGKILL");
  throw error;
}

function setGroups(libc: Libc, groups: Uint32Array<ArrayBuffer>): void {
  // The pointer of an empty list is not looked at, but a buffer without bytes has none.
  const bytes = new Uint8Array(groups.length > 0 ? groups.buffer : new ArrayBuffer(4));
  if (libc.syscallWithBuffer(CALLS.setgroups, BigInt(groups.length), bytes) !== 0n) {
    throw new Error("Cannot change the groups: the system refuses setgroups");
  }
}

function setGids(libc: Libc, [real, effective, saved]: readonly [number, number, number]): void {
  if (libc.syscall(CALLS.setresgid, BigInt(real), BigInt(effective), BigInt(saved)) !== 0n) {
    throw new Error(`Cannot change the group to ${real}: the system refuses setresgid`);
  }
}

/** setfsuid gives the number before, whether or not it did anything. */
function setFileUid(libc: Libc, uid: bigint): void {
  libc.syscall(CALLS.setfsuid, uid, 0n, 0n);
  if (libc.syscall(CALLS.setfsuid, NOBODY_AT_ALL, 0n, 0n) !== uid) {
    throw new Error(`Cannot use the files as user ${uid}: the system refuses setfsuid`);
  }
}

function capabilityHeader(): Uint8Array<ArrayBuffer> {
  // Version, and 0 for the calling thread.
  return new Uint8Array(new Uint32Array([CAPABILITY_VERSION_3, 0]).buffer);
}

function readCapabilities(libc: Libc): Uint32Array<ArrayBuffer> {
  const sets = new Uint32Array(6);
  if (libc.capget(capabilityHeader(), new Uint8Array(sets.buffer)) !== 0) {
    throw new Error("Cannot read the capabilities: the system refuses capget");
  }
  return sets;
}

function writeCapabilities(libc: Libc, sets: Uint32Array<ArrayBuffer>): void {
  if (libc.capset(capabilityHeader(), new Uint8Array(sets.buffer)) !== 0) {
    throw new Error("Cannot change the capabilities: the system refuses capset");
  }
}
