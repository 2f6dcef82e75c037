/**
 * What the program's exit code means. Scripts depend on these numbers.
 */
export const ExitCode = {
  DONE: 0,
  FAILED: 1,
  USAGE: 2,
  FINDINGS: 3,
  AUTHENTICATION: 4,
  /** EX_TEMPFAIL of sysexits(3): the same command may work later. */
  UNREACHABLE: 75,
  /** EX_CONFIG of sysexits(3). */
  CONFIGURATION: 78,
  INTERRUPTED: 130,
} as const;
