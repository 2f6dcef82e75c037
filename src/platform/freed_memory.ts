/**
 * Gives memory back to the system. What was freed after a large job stays with the C library otherwise, and a
 * worker that waits for its next job would look as if it still needed it.
 */

const SYMBOLS = { malloc_trim: { parameters: ["usize"], result: "i32" } } as const;

/** Does nothing where the C library has no such call, as with musl. */
export function returnFreedMemory(): void {
  let library: Deno.DynamicLibrary<typeof SYMBOLS>;
  try {
    library = Deno.dlopen("libc.so.6", SYMBOLS);
  } catch {
    // Only a matter of how much memory is shown.
    return;
  }
  library.symbols.malloc_trim(0n);
  library.close();
}
