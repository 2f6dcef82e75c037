/**
 * What a job can do to its worker: as the worker's own user, as a user of its own, and where the worker is no
 * root but has the capabilities that it takes. Needs root, to become all of these.
 */
import assert from "node:assert/strict";
import { systemProcesses } from "../src/platform/system_processes.ts";
import { findUser } from "../src/platform/user_account.ts";
import { type Program, Sandbox } from "./support/airunner.ts";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const isRoot = Deno.uid() === 0;

/** Two users that every Linux has. */
const WORKER_USER = "daemon";
const JOB_USER = "nobody";
const CAPABILITIES = ["setuid", "setgid", "kill", "chown"].map((name) => `+${name}`).join(",");

interface Who {
  readonly title: string;
  /** Undefined: root. */
  readonly user: string | undefined;
  readonly wrapper: string[];
}

const AS_ROOT: Who = { title: "root", user: undefined, wrapper: [] };

function asUser(name: string): string[] {
  const { uid, gid } = findUser(name)!;
  return ["setpriv", `--reuid=${uid}`, `--regid=${gid}`, "--clear-groups"];
}

const AS_USER: Who = {
  title: "a user",
  user: WORKER_USER,
  wrapper: [...asUser(WORKER_USER), "--inh-caps=-all", "--bounding-set=-all"],
};

/** As with systemd's AmbientCapabilities= and CapabilityBoundingSet=. */
const WITH_CAPABILITIES: Who = {
  title: "a user with capabilities",
  user: WORKER_USER,
  wrapper: [
    ...asUser(WORKER_USER),
    `--inh-caps=-all,${CAPABILITIES}`,
    `--ambient-caps=-all,${CAPABILITIES}`,
    `--bounding-set=-all,${CAPABILITIES}`,
  ],
};

/** A sandbox with a server, in which workers are of some user. */
class Place implements AsyncDisposable {
  readonly sandbox = new Sandbox();
  readonly workDir = `${this.sandbox.directory}/work`;
  readonly #who: Who;
  url = "";

  private constructor(who: Who) {
    this.#who = who;
  }

  static async open(who: Who): Promise<Place> {
    const place = new Place(who);
    const { directory, dataDir } = place.sandbox;
    place.url = (await place.sandbox.startServer()).url;
    Deno.mkdirSync(dataDir, { recursive: true });
    Deno.chmodSync(dataDir, 0o700);
    // Passable, as the parents of a work directory have to be.
    Deno.chmodSync(directory, 0o711);
    if (who.user !== undefined) {
      const { uid, gid } = findUser(who.user)!;
      for (const path of [directory, dataDir]) Deno.chownSync(path, uid, gid);
    }
    return place;
  }

  startWorker(args: string[], env: Record<string, string> = {}): Program {
    const all = ["worker", `--server=${this.url}`, "--metrics-listen=off", ...args];
    return this.sandbox.start(all, { env, wrapper: this.#who.wrapper });
  }

  async submit(script: string, ...options: string[]): Promise<string> {
    const args = ["submit", `--server=${this.url}`, ...options, "--", "sh", "-c", script];
    const { code, stdout, stderr } = await this.sandbox.run(args);
    assert.equal(code, 0, stderr);
    return text(stdout).trim();
  }

  async logs(jobId: string): Promise<{ code: number; stdout: string; stderr: string }> {
    const { code, stdout, stderr } = await this.sandbox.run(["logs", jobId, `--server=${this.url}`]);
    return { code, stdout: text(stdout), stderr };
  }

  /** Runs one job to its end, and gives what it wrote. */
  async runJob(script: string, workerArgs: string[], ...submitOptions: string[]) {
    const jobId = await this.submit(script, ...submitOptions);
    const worker = await this.startWorker(["--once", ...workerArgs], {
      AIRUNNER_WORKER_NAME: "secret-name",
      XDG_RUNTIME_DIR: "/run/user/0",
    }).end();
    assert.equal(worker.code, 0, worker.stderr);
    return { ...await this.logs(jobId), jobId, worker: worker.stderr };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.sandbox[Symbol.asyncDispose]();
  }
}

/** Tries everything, and says `NAME:` and what came of it. */
function attempts(tries: Record<string, string>): string {
  return Object.entries(tries).map(([name, command]) =>
    `printf '${name}: '; ${command} 2>&1 | tr '\\0\\n' '  '; echo`
  )
    .join("\n");
}

function answers(output: string): Map<string, string> {
  return new Map(
    output.trim().split("\n").map((line) =>
      line.split(/: (.*)/s, 2).map((part) => part.trim()) as [string, string]
    ),
  );
}

Deno.test({
  name: "a job of the worker's own user reads neither its worker's environment nor its memory",
  ignore: !isRoot,
  async fn() {
    await using place = await Place.open(AS_USER);
    const script = attempts({
      environ: "cat /proc/$PPID/environ",
      memory: "head -c 1 /proc/$PPID/mem",
      files: "ls /proc/$PPID/fd",
      own: "cat /proc/self/environ",
      // Who has a log is still found: by the kernel's table of locks.
      owner: `${
        new URL("../dist/airunner", import.meta.url).pathname
      } --data-dir=${place.sandbox.dataDir} wal verify $AIRUNNER_JOB_ID`,
      parent: "echo pid=$PPID",
    });
    const { stdout, stderr } = await place.runJob(script, []);
    const found = answers(stdout);
    for (const name of ["environ", "memory", "files"]) {
      assert.match(found.get(name)!, /Permission denied/, `${name}: ${stdout} ${stderr}`);
    }
    assert.match(found.get("own")!, /AIRUNNER_JOB_ID=/);
    assert.doesNotMatch(stdout, /secret-name/);
  },
});

Deno.test({
  name: "who has a log is still found while the worker is closed to others",
  ignore: !isRoot,
  async fn() {
    await using place = await Place.open(AS_USER);
    const go = `${place.sandbox.directory}/go`;
    const jobId = await place.submit(`while ! test -e ${go}; do sleep 0.05; done`);
    const worker = place.startWorker([]);
    await worker.waitFor(/Job started/);
    const { stderr } = await place.sandbox.run(["wal", "archive", jobId], { wrapper: AS_USER.wrapper });
    assert.match(stderr, new RegExp(`\\bprocess ${worker.pid}\\b`));
    Deno.writeTextFileSync(go, "");
    await worker.waitFor(/Job completed/);
    assert.equal((await worker.kill("SIGTERM")).code, 0);
  },
});

for (const who of [AS_ROOT, WITH_CAPABILITIES]) {
  Deno.test({
    name: `jobs of a worker that is ${who.title} run as the job user, and get at nothing of the worker's`,
    ignore: !isRoot,
    async fn() {
      await using place = await Place.open(who);
      const user = findUser(JOB_USER)!;
      const { dataDir } = place.sandbox;
      const script = attempts({
        id: "id",
        rights: "grep -E '^Cap(Inh|Prm|Eff|Amb)' /proc/self/status",
        home: 'echo "$HOME $USER $LOGNAME $SHELL $XDG_RUNTIME_DIR."',
        place: "stat -c '%n %a %u' \"$(pwd)\"",
        write: "echo made > file && cat file",
        environ: "cat /proc/$PPID/environ",
        data: `ls ${dataDir}`,
        log: `cat ${dataDir}/wal/$AIRUNNER_JOB_ID.wal`,
        kill: "kill -9 $PPID",
        others: `ls ${place.workDir}`,
        root: "setpriv --reuid=0 true",
        own: "env",
      });
      const args = [`--job-user=${JOB_USER}`, `--work-dir=${place.workDir}`];
      const { stdout, stderr, code, jobId } = await place.runJob(script + "; exit 7", args);
      assert.equal(code, 7, stdout + stderr);
      const found = answers(stdout);
      assert.match(
        found.get("id")!,
        new RegExp(`^uid=${user.uid}\\(nobody\\) gid=${user.gid}\\(\\w+\\) groups=${user.gid}\\(\\w+\\)$`),
      );
      assert.match(found.get("rights")!, /^(Cap\w+:\s+0{16}\s*){4}$/);
      assert.equal(found.get("home"), `${user.home} nobody nobody ${user.shell} .`);
      assert.match(found.get("place")!, new RegExp(`^${place.workDir}/${jobId}\\.\\w+ 700 ${user.uid}$`));
      assert.equal(found.get("write"), "made");
      for (const name of ["environ", "data", "log", "others"]) {
        assert.match(found.get(name)!, /Permission denied/, `${name}: ${stdout}`);
      }
      for (const name of ["kill", "root"]) {
        assert.match(found.get(name)!, /not permitted/, `${name}: ${stdout}`);
      }
      assert.doesNotMatch(stdout, /secret-name|task_token/);
      const { stdout: open } = await new Deno.Command("find", { args: [dataDir, "-perm", "/077"] }).output();
      assert.equal(text(open), "", "files of the worker that others may open");
      assert.deepEqual([...Deno.readDirSync(place.workDir)], []);
    },
  });

  Deno.test({
    name:
      `a job of a job user is ended by its timeout, and its closed directories go, with a worker that is ${who.title}`,
    ignore: !isRoot,
    async fn() {
      await using place = await Place.open(who);
      const script =
        "mkdir -p a/b; echo x > a/b/c; ln -s / a/b/root; chmod 500 a/b; chmod 0 a; sleep 1000 & wait";
      const args = [`--job-user=${JOB_USER}`, `--work-dir=${place.workDir}`];
      const { code, stderr, worker } = await place.runJob(script, args, "--timeout=1s");
      assert.equal(code, 143, stderr);
      assert.doesNotMatch(worker, /Cannot remove/);
      assert.deepEqual([...Deno.readDirSync(place.workDir)], []);
    },
  });

  Deno.test({
    name:
      `what a killed worker left of a job user's job is ended, and its directory goes, with one that is ${who.title}`,
    ignore: !isRoot,
    async fn() {
      await using place = await Place.open(who);
      const mark = `${place.sandbox.directory}/ran`;
      Deno.writeTextFileSync(mark, "no\n");
      Deno.chmodSync(mark, 0o666);
      const script =
        `if grep -q yes ${mark}; then ls -A; echo again; exit 0; fi; echo yes > ${mark}; echo made > file; echo begun; sleep 1000`;
      const jobId = await place.submit(script);
      const args = [`--job-user=${JOB_USER}`, `--work-dir=${place.workDir}`];
      const first = place.startWorker([...args, "--log-level=debug"]);
      const [, pid] = await first.waitFor(/Job started.*pid=(\d+)/);
      await first.waitFor(/Successfully sent records[^]*Successfully sent records/);
      await first.kill("SIGKILL");
      assert.ok(systemProcesses.readSession(Number(pid)).length > 0);
      assert.equal([...Deno.readDirSync(place.workDir)].length, 1);
      const next = await place.startWorker([...args, "--once"]).end();
      assert.match(next.stderr, /Ended what was left of a job/);
      assert.deepEqual(systemProcesses.readSession(Number(pid)), []);
      assert.equal(next.code, 0, next.stderr);
      const { code, stdout } = await place.logs(jobId);
      assert.deepEqual([code, stdout], [0, "again\n"], "its next directory is empty");
      assert.deepEqual([...Deno.readDirSync(place.workDir)], []);
    },
  });
}

Deno.test({
  name:
    "a job says so when its user does not get to the directory it names; a relative one is seen from its own",
  ignore: !isRoot,
  async fn() {
    await using place = await Place.open(AS_ROOT);
    const args = [`--job-user=${JOB_USER}`, `--work-dir=${place.workDir}`];
    const closed = await place.runJob("true", args, `--cwd=${place.sandbox.dataDir}`);
    assert.equal(closed.code, 126);
    assert.match(closed.stderr, /Cannot use the working directory .*: the user nobody does not get there/);
    const relative = await place.runJob("pwd", args, "--cwd=.");
    assert.match(relative.stdout, new RegExp(`^${place.workDir}/${relative.jobId}`));
  },
});

Deno.test({
  name: "without a job user a work directory is the worker's own, and jobs still get one each",
  ignore: !isRoot,
  async fn() {
    await using place = await Place.open(AS_USER);
    const { stdout } = await place.runJob("stat -c '%a %U' .", [`--work-dir=${place.workDir}`]);
    assert.equal(stdout, "700 daemon\n");
    assert.deepEqual([...Deno.readDirSync(place.workDir)], []);
  },
});

interface Refusal {
  readonly who: Who;
  readonly args: string[];
  readonly says: RegExp;
}

Deno.test({
  name: "a worker that cannot run jobs as its settings want does not start, and says what to do",
  ignore: !isRoot,
  async fn() {
    // For its owner alone.
    await using closed = new Sandbox();
    const refusals: Refusal[] = [
      { who: AS_ROOT, args: ["--job-user=nobody-at-all"], says: /There is no user nobody-at-all[^]*useradd/ },
      { who: AS_ROOT, args: ["--job-user=root"], says: /Jobs are not run as root/ },
      { who: AS_USER, args: [`--job-user=${WORKER_USER}`], says: /is the worker's own user/ },
      {
        who: AS_USER,
        args: [`--job-user=${JOB_USER}`],
        says: /the worker lacks CAP_SETUID, CAP_SETGID, CAP_KILL, CAP_CHOWN[^]*Start the worker as root/,
      },
      {
        who: AS_ROOT,
        args: [`--job-user=${JOB_USER}`, `--work-dir=${closed.directory}/work`],
        says: /Cannot give jobs directories in .*the user does not get to it[^]*--work-dir/,
      },
    ];
    for (const { who, args, says } of refusals) {
      await using place = await Place.open(who);
      const { code, stderr } = await place.startWorker(["--once", ...args]).end();
      assert.equal(code, 78, stderr);
      assert.match(stderr, says);
    }
  },
});
