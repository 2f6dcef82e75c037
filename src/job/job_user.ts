/**
 * The user as whom jobs run, where that is not the worker's own.
 */
import type { UserAccount } from "../platform/user_account.ts";

export interface JobUser {
  readonly account: UserAccount;
  /**
   * Calls a synchronous function with the user's groups and its view of files; see `platform/acting_user.ts`.
   */
  run<T>(action: () => T): T;
}

/** What belongs to a login of the worker's user, and would lead its jobs there. */
const SESSION_VARIABLES =
  /^(XDG_RUNTIME_DIR|XDG_SESSION_\w+|XDG_(CACHE|CONFIG|DATA|STATE)_HOME|DBUS_SESSION_BUS_ADDRESS|SSH_AUTH_SOCK|XAUTHORITY|MAIL|PWD|OLDPWD|SUDO_\w+)$/;

/**
 * The environment that the user's jobs inherit: the worker's, with the user's own HOME, USER, LOGNAME and
 * SHELL.
 */
export function environmentOf(
  { name, home, shell }: UserAccount,
  workers: Readonly<Record<string, string>>,
): Record<string, string> {
  const inherited = Object.entries(workers).filter(([variable]) => !SESSION_VARIABLES.test(variable));
  return {
    ...Object.fromEntries(inherited),
    HOME: home,
    USER: name,
    LOGNAME: name,
    // An empty one stands for it, as passwd(5) says.
    SHELL: shell || "/bin/sh",
  };
}
