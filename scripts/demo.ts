/**
 * Shows in under a minute what the program is for: `scripts/deno task demo`. One job prints thousands of
 * lines while its server is killed and its worker is killed with -9; at the end the server must have
 * the job's output, byte for byte. Exits 0 only then.
 */
import { type Program, Sandbox } from "../tests/support/airunner.ts";

/**
 * The job. Both streams, bytes that are no text, and a UTF-8 character that is cut in two by a pause,
 * so that its halves travel in different events. PACE_S slows it down enough for things to happen.
 */
const JOB = String.raw`
i=0
while [ $i -lt 6000 ]; do
  i=$((i + 1))
  echo "stdout line $i: compiling module $((i % 37)) of the demo"
  if [ $((i % 3)) -eq 0 ]; then echo "stderr line $i: warning, the network is about to fail" >&2; fi
  if [ $((i % 300)) -eq 0 ]; then
    printf '\000\377\376binary\033[0m\n'
    printf 'gr\303' && sleep "$PACE_S" && printf '\274n \342\202' >&2 && printf '\274\n' && printf '\254\n' >&2
    sleep "$PACE_S"
  fi
done
exit 3
`;
const EXIT_CODE = 3;
const LINES = 6000;

const started = performance.now();

function say(text: string): void {
  console.log(`${((performance.now() - started) / 1000).toFixed(1).padStart(5)} s  ${text}`);
}

interface Streams {
  stdout: Uint8Array;
  stderr: Uint8Array;
}

/** What the job prints when nothing stands between it and the reader. */
async function runDirectly(): Promise<Streams> {
  const job = new Deno.Command("sh", { args: ["-c", JOB], env: { PACE_S: "0" } });
  const { code, stdout, stderr } = await job.output();
  if (code !== EXIT_CODE) throw new Error(`The job itself ended with ${code} instead of ${EXIT_CODE}.`);
  return { stdout, stderr };
}

async function main(): Promise<boolean> {
  await using sandbox = new Sandbox();
  const expected = await runDirectly();
  say(
    `The job by itself: ${expected.stdout.length} bytes on stdout, ${expected.stderr.length} on stderr, ` +
      `exit code ${EXIT_CODE}. Now through airunner:`,
  );

  const first = await sandbox.startServer();
  say(`A server listens on ${first.url}`);
  const worker = startWorker(sandbox, first.url);
  const jobId = await submit(sandbox, first.url);
  say(`Job ${jobId} is submitted, and a worker runs it.`);

  // The first delivery only says that the process has started; the second brings output.
  await worker.waitFor(/Successfully sent records[^]*Successfully sent records/);
  await first.program.kill("SIGKILL");
  say("The server is killed in the middle of the job. The job goes on; its output waits in the log.");
  await worker.waitFor(/Failed to send events - retrying/);

  const second = await sandbox.startServer(first.port);
  say("The server is back.");
  await worker.waitFor(/Successfully sent records/, worker.stderr.length);
  say("The worker has sent what was waiting.");

  await second.program.kill("SIGKILL");
  say("The server is killed again, and this time the job comes to its end without it.");
  await worker.waitFor(/Job ended/);
  await worker.kill("SIGKILL");
  const stranded = await inspect(sandbox, jobId);
  say(
    `The worker is killed with -9. Its log holds ${stranded.pending} events that the server has never seen.`,
  );

  const third = await sandbox.startServer(first.port);
  const rescuer = startWorker(sandbox, first.url, "--once");
  const { code } = await rescuer.end();
  if (code !== 0) throw new Error(`The second worker ended with ${code}:\n${rescuer.stderr}`);
  say("Server and worker are back: the log was found, sent, completed and archived.");

  const logs = await sandbox.run(["logs", jobId, `--server=${first.url}`]);
  const equal = report("stdout", logs.stdout, expected.stdout) &&
    report("stderr", logs.stderrBytes, expected.stderr) &&
    logs.code === EXIT_CODE;
  say(`The server says that the job ended with exit code ${logs.code}; it was ${EXIT_CODE}.`);
  await third.program.kill("SIGTERM");

  console.log(`\n$ airunner wal inspect ${jobId}`);
  console.log(new TextDecoder().decode((await sandbox.run(["wal", "inspect", jobId])).stdout));
  return equal && stranded.pending > 0;
}

function startWorker(sandbox: Sandbox, url: string, ...more: string[]): Program {
  // Debug lines are how the demo knows what the worker has done, without asking again and again.
  return sandbox.start(["worker", `--server=${url}`, "--log-level=debug", ...more]);
}

async function submit(sandbox: Sandbox, url: string): Promise<string> {
  const { code, stdout, stderr } = await sandbox.run([
    "submit",
    `--server=${url}`,
    "--env=PACE_S=0.25",
    "--",
    "sh",
    "-c",
    JOB,
  ]);
  if (code !== 0) throw new Error(`The job could not be submitted:\n${stderr}`);
  return new TextDecoder().decode(stdout).trim();
}

async function inspect(sandbox: Sandbox, jobId: string): Promise<{ pending: number }> {
  const { code, stdout, stderr } = await sandbox.run(["wal", "inspect", "--json", jobId]);
  if (code !== 0) throw new Error(`The log could not be inspected:\n${stderr}`);
  return JSON.parse(new TextDecoder().decode(stdout));
}

function report(stream: string, found: Uint8Array, expected: Uint8Array): boolean {
  const equal = found.length === expected.length && found.every((byte, index) => byte === expected[index]);
  say(
    `${stream}: the server has ${found.length} bytes of ${expected.length}, ${
      equal ? "equal" : "DIFFERENT"
    }.`,
  );
  return equal;
}

const equal = await main();
say(
  equal
    ? `All ${LINES} lines arrived, each byte in its place.`
    : "The server's bytes are not the job's bytes.",
);
Deno.exit(equal ? 0 : 1);
