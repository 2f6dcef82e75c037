/**
 * How many files and sockets this process may have open at a time (RLIMIT_NOFILE).
 */

const SYMBOLS = {
  getrlimit: { parameters: ["i32", "buffer"], result: "i32" },
  setrlimit: { parameters: ["i32", "buffer"], result: "i32" },
} as const;

/** From Linux's asm-generic/resource.h; the same on x86-64 and aarch64. */
const RLIMIT_NOFILE = 7;

/**
 * Enough for any number of connections that one process can serve; some systems allow a thousand million, by
 * name.
 */
const WANTED = 65_536n;

/**
 * Raises the limit as far as the system lets this process go, and returns it. Programs get a low one (1,024)
 * for the sake of those that use select(2), which we do not; but a child inherits it, so this is for a
 * process that starts no programs.
 */
export function raiseDescriptorLimit(): number {
  return withLimits((libc) => {
    const { current, hard } = read(libc);
    const wanted = hard < WANTED ? hard : WANTED;
    if (current >= wanted) return Number(current);
    const raised = libc.setrlimit(RLIMIT_NOFILE, new BigUint64Array([wanted, hard])) === 0;
    return Number(raised ? wanted : current);
  });
}

type Library = Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];

function withLimits(use: (libc: Library) => number): number {
  const library = Deno.dlopen("libc.so.6", SYMBOLS);
  try {
    return use(library.symbols);
  } finally {
    library.close();
  }
}

/**
 * struct rlimit: two unsigned 64-bit numbers, the limit in force and the highest that it may be raised to.
 */
function read(libc: Library): { current: bigint; hard: bigint } {
  const limits = new BigUint64Array(2);
  // It fails for a bad argument only.
  if (libc.getrlimit(RLIMIT_NOFILE, limits) !== 0) throw new Error("Cannot read the limit of open files");
  return { current: limits[0], hard: limits[1] };
}
