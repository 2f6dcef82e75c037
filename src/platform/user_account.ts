/**
 * A user as the machine knows it, whatever its accounts are kept in: the C library asks /etc/passwd, LDAP or
 * what else /etc/nsswitch.conf names.
 */

export interface UserAccount {
  readonly name: string;
  readonly uid: number;
  /** Its first group. */
  readonly gid: number;
  /** All of its groups, the first included. */
  readonly groups: readonly number[];
  readonly home: string;
  readonly shell: string;
}

const SYMBOLS = {
  getpwnam_r: { parameters: ["buffer", "buffer", "buffer", "usize", "buffer"], result: "i32" },
  getgrouplist: { parameters: ["buffer", "u32", "buffer", "buffer"], result: "i32" },
} as const;

// struct passwd on 64-bit Linux: char *name, *passwd; u32 uid, gid; char *gecos, *dir, *shell.
const PASSWD_BYTES = 48;
const AT_UID = 16;
const AT_GID = 20;
const AT_HOME = 32;
const AT_SHELL = 40;

const ERANGE = 34;
/** What getpwnam_r(3) gives for a name that there is not, besides 0: ENOENT, ESRCH, EBADF and EPERM. */
const NOT_FOUND = new Set([0, 2, 3, 9, 1]);
const TEXT_BYTES_MAX = 1024 * 1024;
/** The kernel's NGROUPS_MAX. */
const GROUPS_MAX = 65_536;

/**
 * Undefined when there is no such user.
 * @throws {Error} when the accounts cannot be looked up
 */
export function findUser(name: string): UserAccount | undefined {
  if (Deno.build.os !== "linux" || name.includes("\0")) return undefined;
  const library = Deno.dlopen("libc.so.6", SYMBOLS);
  try {
    return lookUp(library.symbols, name);
  } finally {
    library.close();
  }
}

function lookUp(libc: Deno.DynamicLibrary<typeof SYMBOLS>["symbols"], name: string): UserAccount | undefined {
  const nameBytes = new TextEncoder().encode(name + "\0");
  const entry = new Uint8Array(PASSWD_BYTES);
  const view = new DataView(entry.buffer);
  const found = new BigUint64Array(1);
  // The entry's texts lie in here, so it has to live until they have been read.
  let texts = new Uint8Array(4096);
  for (;;) {
    const size = BigInt(texts.length);
    const code = libc.getpwnam_r(nameBytes, entry, texts, size, new Uint8Array(found.buffer));
    if (code === ERANGE && texts.length < TEXT_BYTES_MAX) {
      texts = new Uint8Array(2 * texts.length);
      continue;
    }
    if (!NOT_FOUND.has(code)) throw new Error(`Cannot look up the user ${name}: os error ${code}`);
    if (code !== 0 || found[0] === 0n) return undefined;
    break;
  }
  const textAt = (offset: number) => textIn(texts, view.getBigUint64(offset, true));
  const gid = view.getUint32(AT_GID, true);
  return {
    name,
    uid: view.getUint32(AT_UID, true),
    gid,
    groups: groupsOf(libc, nameBytes, gid),
    home: textAt(AT_HOME),
    shell: textAt(AT_SHELL),
  };
}

/** The text at an address within the buffer. */
function textIn(texts: Uint8Array<ArrayBuffer>, address: bigint): string {
  const offset = Number(address - BigInt(Deno.UnsafePointer.value(Deno.UnsafePointer.of(texts))));
  if (offset < 0 || offset >= texts.length) return "";
  return new TextDecoder().decode(texts.subarray(offset, texts.indexOf(0, offset)));
}

function groupsOf(
  libc: Deno.DynamicLibrary<typeof SYMBOLS>["symbols"],
  name: Uint8Array<ArrayBuffer>,
  gid: number,
): number[] {
  for (let room = 64; room <= GROUPS_MAX; room *= 2) {
    const groups = new Uint32Array(room);
    const count = new Int32Array([room]);
    if (libc.getgrouplist(name, gid, new Uint8Array(groups.buffer), new Uint8Array(count.buffer)) >= 0) {
      return [...groups.subarray(0, count[0])];
    }
  }
  throw new Error(`Cannot look up the groups of a user: there are more than ${GROUPS_MAX}`);
}
