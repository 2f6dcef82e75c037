/**
 * The server as a whole: puts the parts together, listens, and stops without losing an answer.
 */
import { Code, ConnectError, type ConnectRouterOptions, createConnectRouter } from "@connectrpc/connect";
import { JobsService, WorkerService } from "../events/gen/airunner/v1/airunner_pb.ts";
import { JobService } from "../events/gen/job/v1/job_pb.ts";
import type { Clock, NextTurn } from "../platform/clock.ts";
import type { Files } from "../platform/files.ts";
import type { Network } from "../platform/network.ts";
import type { RandomBytes } from "../platform/random.ts";
import type { CertificatePair } from "../platform/tls/certificate.ts";
import type { CertificatePaths } from "./certificate_files.ts";
import { type Logger, silentLogger } from "../platform/logging/logger.ts";
import { admit, type Gatekeeper } from "./admission.ts";
import { authenticate, normalizeUrl } from "./auth.ts";
import { COMPARISONS_MAX } from "./airunner_v1/compare_events.ts";
import { createJobsService, type JobsServiceOptions } from "./airunner_v1/jobs_service.ts";
import { KnownWorkers } from "./airunner_v1/known_workers.ts";
import { Slots } from "./airunner_v1/slots.ts";
import { Watches } from "./airunner_v1/watches.ts";
import { createWorkerService, type WorkerServiceOptions } from "./airunner_v1/worker_service.ts";
import type { AuthorizedKeys } from "./authorized_keys.ts";
import { errorInterceptor } from "./call_errors.ts";
import { BatchWriter } from "./batch_writer.ts";
import {
  addJobEventsService,
  addRawJobEventsService,
  type JobEventsServiceOptions,
} from "./job_events_service.ts";
import { createHttpHandler } from "./http_handler.ts";
import { JobQueue } from "./job_queue.ts";
import { createJobService, type JobServiceOptions } from "./job_service.ts";
import { type ConnectionLimits, listen, type Listener, ServerStartError } from "./listener.ts";
import type { MetricsAccess, MetricsPage } from "./metrics_page.ts";
import { KEEP_ALL, type RetentionPolicy } from "./retention/policy.ts";
import { Pruner } from "./retention/pruner.ts";
import type { Store } from "./store/contract.ts";
import { type OpenOptions, openSqliteStore } from "./store/sqlite/open_store.ts";
import { LocalSignals } from "./signals.ts";
import { followCertificate, loadCertificate, loadKeys } from "./server_files.ts";
import { callObserver, type ServerObserver, type ServerState } from "./server_observer.ts";
import { SECRET_BYTES, TaskTokens } from "./task_token.ts";
import { createUuid7 } from "./uuid7.ts";
import { VisibilityAlarm } from "./visibility.ts";

export { ServerStartError } from "./listener.ts";
export { StoreError } from "./store/store_error.ts";

/**
 * One message. The largest event (4 MiB) and a batch of the largest output batches (50 x 256 KiB) fit; a
 * client that sends more at once is told so (`resource_exhausted`) before the message is in memory.
 */
const REQUEST_BYTES_MAX = 16 * 1024 * 1024;

/**
 * How long publishers may finish what they have begun when the server stops: some batches over a slow line.
 */
const DRAIN_MS = 3_000;
/** How long connections may take after that to send their last bytes, before they are cut. */
const CUT_MS = 2_000;

/**
 * What a running job gets when the server was away: its worker could not report then, and tries again at the
 * latest after 60 s and half as much jitter. Without it every restart would requeue jobs that run well.
 */
const RESTART_GRACE_MS = 90_000;

/** What the server needs of the outside world, beside the disk that SQLite reaches by itself. */
export interface ServerHost {
  readonly files: Files;
  readonly network: Network;
  readonly clock: Clock;
  readonly nextTurn: NextTurn;
  readonly randomBytes: RandomBytes;
}

export interface ServerOptions {
  host: ServerHost;
  /** Port 0: any free one. */
  listen: { hostname: string; port: number };
  dataFile: string;
  logger?: Logger;
  /** A folder of *.pub files; when given, every call needs a JWT signed by one of these keys. */
  authorizedKeysDir?: string;
  /**
   * URLs that clients know this server by, if others than where it listens: the audiences that tokens may
   * have.
   */
  publicUrls?: readonly string[];
  /**
   * Listen beyond this machine without authentication: whoever reaches the port can then run commands on
   * workers.
   */
  allowUnauthenticated?: boolean;
  /** For workers that ask for none. */
  defaultVisibilitySeconds: number;
  observe?: ServerObserver;
  /** Writes the page /metrics; without it there is none. */
  renderMetrics?(state: ServerState): Promise<string>;
  /**
   * Let whoever reaches the server read /metrics. Without it, a server with keys or a token wants one of
   * them.
   */
  openMetrics?: boolean;
  /** A token that is good for /metrics alone; asked for at each request. */
  metricsToken?(): Promise<string>;
  limits: ConnectionLimits;
  /** Speak TLS, with the certificate in these files as they are at any time. */
  tls?: CertificatePaths;
  /** Without it nothing is ever deleted unasked. */
  retention?: RetentionPolicy;
  /** Called while a database of an earlier version is brought up to date, which may take its time. */
  onUpgrade?: OpenOptions["onUpgrade"];
}

export interface RunningServer {
  readonly url: string;
  readonly port: number;
  /** Resolves when the server has stopped, by `stop` or by itself. */
  readonly finished: Promise<void>;
  /** Looks at the certificate's files now; without TLS there is nothing to look at. */
  reloadCertificate(): Promise<void>;
  /** Sends readers and waiting workers away (`unavailable`), lets publishers finish, closes the database. */
  stop(): Promise<void>;
}

/** @throws ServerStartError, with the next step in its message, when the server cannot be started. */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const { logger = silentLogger } = options;
  const loaded = { keys: await loadKeys(options, logger), certificate: await loadCertificate(options) };
  const store = await openStore({ ...options, logger });
  try {
    return await serve({ ...options, logger }, store, loaded);
  } catch (error) {
    await store.close();
    throw error;
  }
}

async function openStore({ dataFile, host, logger, onUpgrade }: Options): Promise<Store> {
  try {
    return await openSqliteStore(dataFile, { host, logger, onUpgrade });
  } catch (cause) {
    throw new ServerStartError((cause as Error).message, { cause });
  }
}

type Options = ServerOptions & { logger: Logger };

/** What was read before. */
interface Loaded {
  keys: AuthorizedKeys | undefined;
  certificate: CertificatePair | undefined;
}

async function serve(options: Options, store: Store, { keys, certificate }: Loaded): Promise<RunningServer> {
  const { host: { network, clock }, logger, observe = {} } = options;
  const stopping = new AbortController();
  const drained = new AbortController();
  const ownUrls: string[] = (options.publicUrls ?? []).map(normalizeUrl);

  const { alarm, ...parts } = await partsOf(options, store);
  const auth = keys && { keys, audiences: ownUrls, clock, logger };
  const calls = { store, clock, logger, observe, stopping: stopping.signal, drained: drained.signal };
  const routers = createRouters({ ...calls, ...parts, ...jobDefaults(options) }, auth);
  const metrics = metricsPageOf(options, auth, {
    ...storeState(store),
    countWorkers: () => parts.watches.workerCount,
    countConnections: () => listener.connections,
  });
  const listener = listen({
    network,
    address: options.listen,
    limits: options.limits,
    handler: createHttpHandler({ ...routers, ownUrls, metrics, logger }),
    clock,
    logger,
    certificate,
    observe: { refused: observe.connectionRefused, closed: observe.connectionClosed },
  });
  const followed = certificate && await followCertificate(options, certificate, listener, logger);
  ownUrls.push(...listener.urls.map(normalizeUrl));
  const alarmEnded = alarm.run();
  const pruner = startPruner(options, store, (jobId) => parts.signals.events.signal(jobId));
  logger.info("Server listening", {
    url: listener.url,
    data: options.dataFile,
    authentication: keys !== undefined,
    connections_max: listener.connectionsMax,
  });

  const stop = async () => {
    logger.info("Server stopping");
    const leaving = new ConnectError("The server is stopping; try again", Code.Unavailable);
    stopping.abort(leaving);
    await drain(listener, clock, () => drained.abort(leaving));
    keys?.close();
    followed?.stop();
    alarm.stop();
    await alarmEnded;
    // A job that is just being deleted may be a large one: closing leaves the rest of it to the next start.
    await Promise.all([pruner.stop(), parts.known.settled().then(() => store.close())]);
    logger.info("Server stopped");
  };
  let stopped: Promise<void> | undefined;
  const { url, port, finished } = listener;
  return {
    url,
    port,
    finished,
    reloadCertificate: () => followed?.reload() ?? Promise.resolve(),
    stop: () => stopped ??= stop(),
  };
}

function startPruner(
  { retention = KEEP_ALL, host: { clock }, logger, observe }: Options,
  store: Store,
  wake: (jobId: string) => void,
): Pruner {
  const pruner = new Pruner({ store, policy: retention, clock, logger, wake, onPruned: observe?.pruned });
  pruner.start();
  return pruner;
}

function storeState({ jobs, upkeep }: Store): Pick<ServerState, "countJobs" | "queues" | "space"> {
  return {
    countJobs: () => jobs.countJobs(),
    queues: () => jobs.queues(),
    space: () => upkeep.space(),
  };
}

/** What lies between the calls and the store, and is shared by all calls. */
async function partsOf({ host: { clock, nextTurn, randomBytes }, logger }: Options, store: Store) {
  await store.jobs.grantGrace(RESTART_GRACE_MS, clock.nowMs());
  const signals = new LocalSignals();
  const onStored = (jobId: string) => signals.events.signal(jobId);
  const writer = new BatchWriter({ store: store.events, onStored, clock, nextTurn });
  const queue = new JobQueue({ store: store.jobs, signals, clock, logger });
  const alarm = new VisibilityAlarm(queue, clock, logger);
  queue.onExpiry = (expiresAtMs) => alarm.reschedule(expiresAtMs);
  const tokens = new TaskTokens(await store.jobs.secret("task-token", () => randomBytes(SECRET_BYTES)));
  const watches = new Watches(signals.cancellations);
  const known = new KnownWorkers({ workers: store.workers, watches, clock, logger });
  const comparisons = new Slots(COMPARISONS_MAX);
  return { signals, writer, queue, alarm, tokens, watches, known, comparisons };
}

/** Lets publishers finish for a while, and cuts what is still open then. */
async function drain(listener: Listener, clock: Clock, giveUp: () => void): Promise<void> {
  const closed = new AbortController();
  const draining = clock.sleep(DRAIN_MS, closed.signal).then(() => !closed.signal.aborted && giveUp());
  await listener.close(DRAIN_MS + CUT_MS);
  closed.abort();
  await draining;
}

function metricsPageOf(
  options: Options,
  auth: Gatekeeper | undefined,
  state: ServerState,
): MetricsPage | undefined {
  const { renderMetrics } = options;
  return renderMetrics && { render: () => renderMetrics(state), access: metricsAccess(options, auth) };
}

function metricsAccess(
  { openMetrics = false, metricsToken }: Options,
  auth: Gatekeeper | undefined,
): MetricsAccess {
  if (openMetrics || (auth === undefined && metricsToken === undefined)) return { for: "everybody" };
  return {
    for: "callers",
    token: metricsToken,
    mayCall: async (authorization) => auth !== undefined && await isCaller(authorization, auth),
  };
}

async function isCaller(authorization: string | null, auth: Gatekeeper): Promise<boolean> {
  try {
    await authenticate(authorization, auth);
    return true;
  } catch (error) {
    if (error instanceof ConnectError && error.code === Code.Unauthenticated) return false;
    throw error;
  }
}

function jobDefaults(
  { host: { clock, randomBytes }, defaultVisibilitySeconds }: Options,
) {
  return { newJobId: createUuid7(() => clock.nowMs(), randomBytes), defaultVisibilitySeconds };
}

function createRouters(
  calls: JobServiceOptions & JobEventsServiceOptions & JobsServiceOptions & WorkerServiceOptions,
  auth: Gatekeeper | undefined,
) {
  const options: ConnectRouterOptions = {
    // gRPC needs HTTP trailers, which Deno's server does not send.
    grpc: false,
    grpcWeb: false,
    readMaxBytes: REQUEST_BYTES_MAX,
    interceptors: [callObserver(calls.observe), errorInterceptor(calls.logger)],
    requestGate: auth && admit(auth, calls.observe),
  };
  const router = createConnectRouter(options);
  router.service(JobService, createJobService(calls));
  addJobEventsService(router, calls);
  router.service(JobsService, createJobsService(calls));
  router.service(WorkerService, createWorkerService(calls));
  const rawRouter = createConnectRouter(options);
  addRawJobEventsService(rawRouter, calls);
  return { handlers: router.handlers, rawHandlers: rawRouter.handlers };
}
