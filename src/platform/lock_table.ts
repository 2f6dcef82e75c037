/**
 * The kernel's list of locks, /proc/locks, as text: who holds the lock of which file. Pure.
 */

/** Which file it is, whatever its names: as `FileInfo` has it. */
export interface FileIdentity {
  dev: number;
  ino: number;
}

/**
 * Somebody holds the kernel lock of a file. The kernel does not show the process when it lives in another
 * container.
 */
export interface LockOwner {
  readonly pid: number | undefined;
}

/** All locks, as they were when the table was read. */
export interface LockTable {
  isLocked(file: FileIdentity): boolean;
  /** Who holds a file's lock; undefined when nobody does. */
  ownerOf(file: FileIdentity): LockOwner | undefined;
}

/**
 * `isMounted` tells whether a mount shows a device, by `parseMountedDevices`. The table of locks shows a file
 * system's device as its mounts do, so a lock on another device than such a one is another file's, as with
 * two disks in memory, which give their files the same numbers.
 */
export function parseLockTable(text: string, isMounted: (dev: number) => boolean): LockTable {
  const isLocked = lockFinder(text, isMounted);
  return {
    isLocked,
    ownerOf(file) {
      if (!isLocked(file)) return undefined;
      const { major, minor } = splitDevice(file.dev);
      return { pid: parseOwner(text, major, minor, BigInt(file.ino)) };
    },
  };
}

/** Whether somebody holds a lock on the file, by a table that was read before. */
function lockFinder(
  table: string,
  isMounted: (dev: number) => boolean,
): (file: FileIdentity) => boolean {
  const devices = new Map<number, Set<number>>();
  for (const [, major, minor, ino] of table.matchAll(LOCK_LINE)) {
    const known = devices.get(Number(ino)) ?? new Set();
    devices.set(Number(ino), known.add(deviceNumber(parseInt(major, 16), parseInt(minor, 16))));
  }
  return ({ dev, ino }) => {
    const known = devices.get(ino);
    if (known === undefined || known.has(dev)) return known !== undefined;
    const [other] = known;
    return known.size === 1 && mayBeSame(splitDevice(dev).major, splitDevice(other).major) && !isMounted(dev);
  };
}

const LOCK_LINE = /^\d+: FLOCK\s+\w+\s+WRITE\s+\d+ ([0-9a-f]+):([0-9a-f]+):(\d+) /gm;

/**
 * The process that holds the flock on a file, from lines like `7: FLOCK  ADVISORY  WRITE 2261 fe:00:9977867 0
 * EOF`.
 */
export function parseOwner(text: string, major: number, minor: number, ino: bigint): number | undefined {
  const onOtherDevices: (number | undefined)[] = [];
  for (const line of text.split("\n")) {
    const match = /^\d+: FLOCK\s+\w+\s+(?:WRITE|READ)\s+(\d+) ([0-9a-f]+):([0-9a-f]+):(\d+) /.exec(line);
    if (match === null || BigInt(match[4]) !== ino) continue;
    // A process of another container has no number here.
    const pid = match[1] === "0" ? undefined : Number(match[1]);
    if (parseInt(match[2], 16) === major && parseInt(match[3], 16) === minor) return pid;
    if (mayBeSame(major, parseInt(match[2], 16))) onOtherDevices.push(pid);
  }
  return onOtherDevices.length === 1 ? onOtherDevices[0] : undefined;
}

/** The devices that mounts show, from /proc/self/mountinfo: lines like `36 35 254:1 / /data rw - ext4 …`. */
export function parseMountedDevices(text: string): Set<number> {
  return new Set(
    [...text.matchAll(/^\d+ \d+ (\d+):(\d+) /gm)].map(([, major, minor]) =>
      deviceNumber(Number(major), Number(minor))
    ),
  );
}

/**
 * Some file systems without a device of their own, as Btrfs and overlayfs, show another number in the table
 * than stat does; such numbers have the major 0. Between two of them the only lock on an inode's number is
 * taken for the file's: mostly right, and never proof. A disk's device is the same in both.
 */
function mayBeSame(oneMajor: number, otherMajor: number): boolean {
  return oneMajor === 0 && otherMajor === 0;
}

/** The way the C library packs a device into the one number that `Deno.FileInfo.dev` is. */
export function deviceNumber(major: number, minor: number): number {
  return (minor & 0xff) + (major & 0xfff) * 2 ** 8 + Math.floor(minor / 2 ** 8) * 2 ** 20 +
    Math.floor(major / 2 ** 12) * 2 ** 44;
}

/**
 * The C library packs a device into one number: twelve bits of major above eight of minor, and the rest above
 * both.
 */
function splitDevice(dev: number): { major: number; minor: number } {
  const bits = BigInt(dev);
  const major = (bits >> 8n & 0xfffn) | (bits >> 44n << 12n);
  const minor = (bits & 0xffn) | (bits >> 20n & 0xffffffn) << 8n;
  return { major: Number(major), minor: Number(minor) };
}
