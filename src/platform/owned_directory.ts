/**
 * Directories for other users: one that everybody passes through and only we change, and below it some that
 * belong to one user each. Because nobody else can change the first, nobody can put a link into the place of
 * one below it.
 */
import type { ActingUser } from "./acting_user.ts";
import { messageOf } from "./error_text.ts";
import { parentDirectory } from "./path_names.ts";
import { AlreadyExists, NotFound, PermissionDenied } from "./system_errors.ts";

/**
 * The directory cannot serve as the place of others' directories. `reason` completes "Cannot use PATH: …".
 */
export class UnfitDirectoryError extends Error {
  override name = "UnfitDirectoryError";
  constructor(readonly path: string, readonly reason: string, options?: ErrorOptions) {
    super(`Cannot use ${path}: ${reason}`, options);
  }
}

/**
 * Makes the directory, and those above it that are missing, so that everybody can pass and nobody but us can
 * change it.
 * @throws {UnfitDirectoryError} for one that is there and is not such a directory, or that `user` does not
 * get to
 */
export function preparePassage(path: string, user: ActingUser | undefined): void {
  try {
    makePassage(path);
  } catch (error) {
    throw new UnfitDirectoryError(path, messageOf(error), { cause: error });
  }
  const { isDirectory, isSymlink, uid, mode } = Deno.lstatSync(path);
  if (isSymlink) throw new UnfitDirectoryError(path, "it is a symbolic link");
  if (!isDirectory) throw new UnfitDirectoryError(path, "it is not a directory");
  if (uid !== Deno.uid()) throw new UnfitDirectoryError(path, `it belongs to another user (${uid})`);
  if (((mode ?? 0) & 0o022) !== 0) throw new UnfitDirectoryError(path, "others may write to it");
  if (user === undefined) return;
  if (user.run(() => isClosed(path))) {
    throw new UnfitDirectoryError(
      path,
      "the user does not get to it: it, or a directory above it, is closed to others",
    );
  }
}

/**
 * Whether the path may not be passed: whether there is such a name is not told then. What else is wrong with
 * it is not said.
 */
export function isClosed(path: string): boolean {
  try {
    // Not `PATH/.`, which the runtime shortens before it asks the system.
    Deno.lstatSync(`${path}/no-such-name`);
    return false;
  } catch (error) {
    return error instanceof PermissionDenied;
  }
}

function makePassage(path: string): void {
  try {
    Deno.mkdirSync(path);
  } catch (error) {
    if (error instanceof AlreadyExists) return;
    if (!(error instanceof NotFound)) throw error;
    makePassage(parentDirectory(path));
    Deno.mkdirSync(path);
  }
  // Whatever the umask says.
  Deno.chmodSync(path, 0o711);
}

/**
 * Makes a directory for its owner alone, in one that `preparePassage` has made. What was there under its name
 * goes.
 */
export async function makeOwnedDirectory(path: string, owner: DirectoryOwner | undefined): Promise<void> {
  await removeOwnedDirectory(path, owner);
  await Deno.mkdir(path, { mode: 0o700 });
  if (owner !== undefined) await Deno.chown(path, owner.uid, owner.gid);
}

export interface DirectoryOwner {
  readonly uid: number;
  readonly gid: number;
  readonly acting: ActingUser;
}

/**
 * Removes the directory with all that is in it, links not followed. That there is none is no error.
 * @throws {Error} when something stays behind
 */
export async function removeOwnedDirectory(path: string, owner: DirectoryOwner | undefined): Promise<void> {
  if (await removeTree(path)) return;
  // Its contents are not for us to remove, as when we are not root, or it is closed to its own owner, as Go's
  // modules are.
  await runAsOwner("chmod", ["-R", "u+rwX", "--", path], owner);
  if (await removeTree(path)) return;
  await runAsOwner("rm", ["-rf", "--", path], owner);
  // The name itself is in a directory that is ours. What is left in it, if anything, is not even the owner's
  // to remove.
  await Deno.remove(path);
}

/** False when it may not be done, and maybe was in part. */
async function removeTree(path: string): Promise<boolean> {
  try {
    await Deno.remove(path, { recursive: true });
    return true;
  } catch (error) {
    if (error instanceof NotFound) return true;
    if (error instanceof PermissionDenied) return false;
    throw error;
  }
}

/** Only what the owner itself could do is done, whatever links and processes of its are in the way. */
async function runAsOwner(command: string, args: string[], owner: DirectoryOwner | undefined): Promise<void> {
  const start = () =>
    new Deno.Command(command, {
      args,
      uid: owner?.uid,
      cwd: "/",
      clearEnv: true,
      env: { PATH: "/usr/bin:/bin" },
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
  // Whether it did all of it shows when the directory is removed.
  await (owner === undefined ? start() : owner.acting.run(start)).status;
}
