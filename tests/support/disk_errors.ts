/**
 * The errors of disks that full or failing ones answer with.
 */

/** What the system reports when a disk is full. */
export function noSpaceError(): Error {
  return systemError("No space left on device", 28, "ENOSPC");
}

/** What the system reports when a disk fails. */
export function inputOutputError(): Error {
  return systemError("Input/output error", 5, "EIO");
}

/** What the system reports of a directory that would have to be empty. */
export function notEmptyError(): Error {
  return systemError("Directory not empty", 39, "ENOTEMPTY");
}

/** What the system reports of a directory that would come to lie in itself. */
export function invalidArgumentError(): Error {
  return systemError("Invalid argument", 22, "EINVAL");
}

function systemError(message: string, number: number, code: string): Error {
  return Object.assign(new Error(`${message} (os error ${number})`), { code });
}
