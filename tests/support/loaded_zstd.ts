/**
 * The zstd of the process stays loaded once it was used, so a file of tests that use it loads it before a
 * test begins: `import "./loaded_zstd.ts"`.
 */
import { loadZstd } from "../../src/platform/zstd/zstd.ts";

await loadZstd();
