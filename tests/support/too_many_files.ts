/**
 * What the system answers to whoever opens a file or starts a process and has as many files open as it may.
 */
export function tooManyFiles(): never {
  throw Object.assign(new Error("Too many open files (os error 24)"), { code: "EMFILE" });
}
