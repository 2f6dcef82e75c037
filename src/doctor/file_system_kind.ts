/**
 * What kinds of file systems there are, and which of them a write-ahead log should not be on. Pure.
 */

/** Numbers that statfs(2) gives, from Linux's magic.h and the file systems' own headers. */
const KINDS: Readonly<Record<number, string>> = {
  0x0000_ef53: "ext4",
  0x5846_5342: "xfs",
  0x9123_683e: "btrfs",
  0x2fc1_2fc1: "zfs",
  0xf2f5_2010: "f2fs",
  0xca45_1a4e: "bcachefs",
  0x0000_6969: "nfs",
  0x0000_517b: "smb",
  0xff53_4d42: "cifs",
  0xfe53_4d42: "smb2",
  0x6573_5546: "fuse",
  0x0102_1994: "tmpfs",
  0x8584_58f6: "ramfs",
  0x794c_7630: "overlay",
  0x0102_1997: "9p",
  0x00c3_6400: "ceph",
  0x5346_414f: "afs",
  0x786f_4256: "vboxsf",
  0x0000_4d44: "vfat",
  0x2011_bab0: "exfat",
  0x7366_746e: "ntfs",
  0x7371_7368: "squashfs",
};

export function fileSystemKind(magic: number): string {
  // Some runtimes give the number with its sign.
  const number = magic >>> 0;
  return KINDS[number] ?? `0x${number.toString(16)}`;
}

const NETWORK =
  "it depends on a network and on a server's promises: locks and synced data may not be what they seem";
const SHARED = "it hands writes on to another program, whose promise to have synced is all there is";
const MEMORY = "it is memory: all that is unsent is gone when this machine restarts";

const DOUBTS: Readonly<Record<string, string>> = {
  nfs: NETWORK,
  smb: NETWORK,
  cifs: NETWORK,
  smb2: NETWORK,
  afs: NETWORK,
  ceph: NETWORK,
  fuse: SHARED,
  "9p": SHARED,
  vboxsf: SHARED,
  tmpfs: MEMORY,
  ramfs: MEMORY,
  overlay: "it is a container's own layer: all that is unsent is gone when the container is removed",
  vfat: "it has no journal, and no owners and modes to keep others out",
  exfat: "it has no journal, and no owners and modes to keep others out",
  squashfs: "nothing can be written to it",
};

/** Why a log is not as safe there as it should be; undefined when nothing is known against it. */
export function doubtAbout(kind: string): string | undefined {
  return DOUBTS[kind];
}
