/**
 * What a path is made of. Pure.
 */

/** The directory that a path's last name lies in. */
export function parentDirectory(path: string): string {
  const end = path.replace(/\/+$/, "");
  const slash = end.lastIndexOf("/");
  return slash < 0 ? "." : end.slice(0, slash).replace(/\/+$/, "") || "/";
}

/** The last name in a path. */
export function fileName(path: string): string {
  const end = path.replace(/\/+$/, "");
  return end.slice(end.lastIndexOf("/") + 1);
}
