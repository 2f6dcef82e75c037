/**
 * The shipped alerts through a bad day: a server that is away, a full disk, a killed worker, a damaged log. A
 * real Prometheus watches a real worker; only the times in the rules are shorter.
 */
import assert from "node:assert/strict";
import { type Program, Sandbox } from "./support/airunner.ts";
import { hurriedRules } from "./support/alert_rules.ts";
import { type FiringAlert, Prometheus } from "./support/prometheus.ts";
import { Scraper } from "./support/scraper.ts";
import { SmallDisk } from "./support/small_disk.ts";

/** How fast the disk of the machine is that the test happens to run on says nothing about the alerts. */
const NOT_JUDGED = new Set(["WALHighLatency"]);

Deno.test("the right alerts fire and clear: server away, disk full, worker killed, log damaged", async () => {
  await using sandbox = new Sandbox();
  await using disk = await SmallDisk.mount("16m");
  const day = new Day(sandbox, disk);
  await day.begin();
  await using prometheus = await Prometheus.start({
    directory: `${sandbox.directory}/prometheus`,
    targets: day.targets,
    rules: hurriedRules(),
  });
  const alerts = new Alerts(prometheus);
  await prometheus.until(
    async () => (await prometheus.query("up == 1")).length === 2 || undefined,
    () => Promise.resolve("Prometheus does not reach the worker and the server"),
  );
  await alerts.untilExactly();

  await day.serverGoesAway();
  await alerts.untilExactly("ServerDown", "WALPendingEvents", "WALRetryRate", "WALStalled", "WorkerNotReady");
  await day.serverComesBack();
  await alerts.untilExactly();

  await day.diskFills();
  const full = await alerts.untilExactly("WALAppendErrors", "WALDiskFull", "WorkerNotReady");
  assert.deepEqual(full.find(({ name }) => name === "WALAppendErrors")?.labels.reason, "no_space");
  await day.diskIsCleared();
  await alerts.untilExactly();

  const jobId = await day.workerDies();
  await alerts.untilExactly("WorkerDown");
  await day.workerStartsOnDamage(jobId);
  await alerts.untilExactly("WALCorrupt");
  await day.damageIsSeenTo(jobId);
  await alerts.untilExactly();
});

class Alerts {
  readonly #prometheus: Prometheus;

  constructor(prometheus: Prometheus) {
    this.#prometheus = prometheus;
  }

  /** Waits until these alerts fire, by name, and no others. */
  async untilExactly(...names: string[]): Promise<FiringAlert[]> {
    const expected = names.sort().join(", ");
    const alerts = await this.#prometheus.until(
      async () => {
        const firing = await this.#judged();
        return namesOf(firing) === expected ? firing : undefined;
      },
      async () =>
        `Expected to fire: ${expected || "nothing"}. Firing: ${
          JSON.stringify(await this.#judged(), null, 2)
        }`,
    );
    for (const { annotations } of alerts) {
      // What a template cannot be filled in with shows in its text.
      assert.doesNotMatch(Object.values(annotations).join("\n"), /error expanding|<no value>|NaN/);
    }
    return alerts;
  }

  async #judged(): Promise<FiringAlert[]> {
    return (await this.#prometheus.firing()).filter(({ name }) => !NOT_JUDGED.has(name));
  }
}

function namesOf(alerts: readonly FiringAlert[]): string {
  return [...new Set(alerts.map(({ name }) => name))].sort().join(", ");
}

/** Four jobs at a time, each printing so that its lines become events of their own. */
const CONCURRENCY = 4;
/**
 * Together more than the thousand events above which a backlog is reported, also where a busy machine reads
 * three lines at a time.
 */
const LINES = 800;

/** What happens on that day. */
class Day {
  readonly #sandbox: Sandbox;
  readonly #disk: SmallDisk;
  #server!: { program: Program; url: string; port: number };
  #worker!: Program;
  #metrics!: Scraper;

  constructor(sandbox: Sandbox, disk: SmallDisk) {
    this.#sandbox = sandbox;
    this.#disk = disk;
  }

  get targets(): Record<string, string> {
    return {
      "airunner-worker": new URL(this.#metrics.url).host,
      "airunner-server": new URL(this.#server.url).host,
    };
  }

  async begin(): Promise<void> {
    this.#server = await this.#sandbox.startServer();
    await this.#startWorker("127.0.0.1:0");
  }

  async #startWorker(metricsListen: string): Promise<void> {
    this.#worker = this.#sandbox.start([
      "worker",
      `--server=${this.#server.url}`,
      `--data-dir=${this.#disk.path}/data`,
      `--metrics-listen=${metricsListen}`,
      `--concurrency=${CONCURRENCY}`,
      "--flush-interval=10ms",
      "--retry-initial-interval=50ms",
      "--retry-max-interval=100ms",
      "--ready-max-unsent-age=2s",
      // The disk is to be really full: nothing is paused before.
      "--min-free-space=0",
    ]);
    this.#metrics = await Scraper.ofWorker(this.#worker);
  }

  async #submit(script: string): Promise<string> {
    const args = ["submit", `--server=${this.#server.url}`, "--", "sh", "-c", script];
    const { code, stdout, stderr } = await this.#sandbox.run(args);
    assert.equal(code, 0, stderr);
    return new TextDecoder().decode(stdout).trim();
  }

  /** The jobs are taken, and print only once the server is away. */
  async serverGoesAway(): Promise<void> {
    const go = `${this.#sandbox.directory}/server-is-away`;
    const script =
      `while [ ! -e ${go} ]; do sleep 0.05; done; i=0; while [ $i -lt ${LINES} ]; do echo $i; i=$((i+1)); sleep 0.01; done`;
    for (let i = 0; i < CONCURRENCY; i++) await this.#submit(script);
    await this.#metrics.until((scrape) => scrape.value("airunner_jobs_running") === CONCURRENCY);
    await this.#server.program.kill("SIGKILL");
    Deno.writeTextFileSync(go, "");
  }

  async serverComesBack(): Promise<void> {
    this.#server = await this.#sandbox.startServer(this.#server.port);
    await this.#metrics.until((scrape) =>
      scrape.value("airunner_jobs_total", { result: "succeeded" }) === CONCURRENCY &&
      scrape.value("wal_pending_events") === 0 && scrape.value("wal_logs", { state: "active" }) === 0
    );
  }

  /** Others take up all room but a megabyte, and a job wants three. */
  async diskFills(): Promise<void> {
    const go = `${this.#sandbox.directory}/disk-is-full`;
    const script = `while [ ! -e ${go} ]; do sleep 0.05; done; head -c 3000000 /dev/zero | tr '\\0' 'y'`;
    await this.#submit(script);
    await this.#metrics.until((scrape) => scrape.value("airunner_jobs_running") === 1);
    this.#disk.fill(1_000_000);
    Deno.writeTextFileSync(go, "");
  }

  async diskIsCleared(): Promise<void> {
    this.#disk.clear();
    await this.#metrics.until((scrape) =>
      scrape.value("airunner_jobs_running") === 0 && scrape.value("wal_logs", { state: "active" }) === 0
    );
  }

  /** In the middle of a job, whose log stays behind. */
  async workerDies(): Promise<string> {
    const before = (await this.#metrics.scrape()).value("wal_events_acknowledged_total");
    const jobId = await this.#submit(
      `[ -e ${this.#again} ] && exit; touch ${this.#again}; while :; do echo line; sleep 0.02; done`,
    );
    await this.#metrics.until((scrape) => scrape.value("wal_events_acknowledged_total") > before + 20);
    await this.#worker.kill("SIGKILL");
    return jobId;
  }

  /** There once the job has run; the second time it ends at once. */
  get #again(): string {
    return `${this.#sandbox.directory}/ran-once`;
  }

  /** A bit in the middle of the log has turned over in the meantime. */
  async workerStartsOnDamage(jobId: string): Promise<void> {
    const path = `${this.#disk.path}/data/wal/${jobId}.wal`;
    const bytes = Deno.readFileSync(path);
    bytes[bytes.length >> 1] ^= 1;
    Deno.writeFileSync(path, bytes);
    await this.#startWorker(new URL(this.#metrics.url).host);
    await this.#worker.waitFor(/Damaged log set aside/);
  }

  /**
   * As the alert and the screens say: what is whole is saved, then the damaged file is moved away. A worker
   * takes up what was saved within a minute, and when it starts.
   */
  async damageIsSeenTo(jobId: string): Promise<void> {
    const dataDir = `${this.#disk.path}/data`;
    const { code, stderr } = await this.#sandbox.run(["wal", "recover", jobId, `--data-dir=${dataDir}`]);
    assert.equal(code, 0, stderr);
    Deno.mkdirSync(`${dataDir}/damaged`);
    for (const { name } of [...Deno.readDirSync(`${dataDir}/wal`)]) {
      if (/\.corrupt/.test(name)) Deno.renameSync(`${dataDir}/wal/${name}`, `${dataDir}/damaged/${name}`);
    }
    await this.#worker.kill("SIGTERM");
    await this.#startWorker(new URL(this.#metrics.url).host);
  }
}
