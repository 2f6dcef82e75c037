/**
 * The program's version, from the one place that has it, and what it runs on.
 */
import manifest from "../../deno.json" with { type: "json" };

export const VERSION: string = manifest.version;
export const RUNTIME_VERSION: string = Deno.version.deno;
/** The machine and the system that it was compiled for, as the runtime names them. */
export const TARGET: string = Deno.build.target;
