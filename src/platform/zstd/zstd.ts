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

/**
 * To be called when what the engine made is not right, or it failed: the program's own one is used from now
 * on. False when it was that one already, so that trying again leads nowhere.
 */
export async function distrustEngine(): Promise<boolean> {
  const module = await loadZstdModule();
  if (await chosen === module) return false;
  chosen = Promise.resolve(module);
  return true;
}

/** Takes this engine from now on; for tests. Returns what undoes it. */
export function replaceEngine(engine: ZstdEngine): () => void {
  const before = chosen;
  chosen = Promise.resolve(engine);
  return () => chosen = before;
}
