/**
 * An AbortSignal as something to wait for beside other things.
 */

/**
 * Resolves once `signal` aborts. Give `until`, and it also resolves (and lets go of `signal`) when that
 * aborts: a signal that lives as long as the program must not collect a listener from every job.
 */
export function aborted(signal: AbortSignal, until?: AbortSignal): Promise<void> {
  if (signal.aborted || until?.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const wake = () => {
      signal.removeEventListener("abort", wake);
      until?.removeEventListener("abort", wake);
      resolve();
    };
    signal.addEventListener("abort", wake, { once: true });
    until?.addEventListener("abort", wake, { once: true });
  });
}
