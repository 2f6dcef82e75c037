/**
 * The zstd of this process: the system's library if there is one, else the program's own WebAssembly.
 */
import type { ZstdEngine } from "./engine.ts";
import { openZstdLibrary } from "./library.ts";
import { loadZstdModule } from "./module.ts";

let chosen: Promise<ZstdEngine> | undefined;

/** Chosen once, on first use. */
export function loadZstd(): Promise<ZstdEngine> {
  return chosen ??= choose();
}

async function choose(): Promise<ZstdEngine> {
  return openZstdLibrary() ?? await loadZstdModule();
}
