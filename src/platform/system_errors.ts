/**
 * The errors by which the system says no, as classes: what a file, a socket or a process is refused with, on
 * a real machine and in one that a test made up. Everybody above asks for these and not for the runtime's.
 */
export const {
  AddrInUse,
  AddrNotAvailable,
  AlreadyExists,
  BrokenPipe,
  FilesystemLoop,
  Interrupted,
  InvalidData,
  IsADirectory,
  NotADirectory,
  NotFound,
  NotSupported,
  PermissionDenied,
  UnexpectedEof,
  WouldBlock,
} = Deno.errors;
