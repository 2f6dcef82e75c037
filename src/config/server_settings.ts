/**
 * The settings of `airunner server`: their part of the table. Pure.
 */
import { DAY_MS } from "../platform/time_units.ts";
import { setting } from "./setting.ts";
import { addressRanges, boolean, duration, httpUrl, integer, listenAddress, path } from "./value_type.ts";

export const SERVER_SETTINGS = {
  listen: setting(
    "Listen",
    "--listen",
    listenAddress,
    { hostname: "127.0.0.1", port: 8080 },
    "address to listen on; port 0 lets the system choose",
  ),
  tlsCert: setting(
    "TLSCert",
    "--tls-cert",
    path,
    undefined,
    "certificate to speak TLS with, and its chain, in PEM; a renewed file is taken at once",
    { defaultText: "none", example: "/etc/airunner/tls/fullchain.pem" },
  ),
  tlsKey: setting(
    "TLSKey",
    "--tls-key",
    path,
    undefined,
    "private key of that certificate, in PEM",
    { defaultText: "none", example: "/etc/airunner/tls/privkey.pem" },
  ),
  authorizedKeys: setting(
    "AuthorizedKeys",
    "--authorized-keys",
    path,
    undefined,
    "directory of .pub files; with it, only who holds one of these keys may call",
    { defaultText: "none", example: "~/.airunner/authorized_keys" },
  ),
  publicUrl: setting(
    "PublicURL",
    "--public-url",
    httpUrl,
    undefined,
    "address under which clients know the server",
    { example: "https://airunner.example.com" },
  ),
  allowUnauthenticated: setting(
    "AllowUnauthenticated",
    "--allow-unauthenticated",
    boolean,
    false,
    "listen beyond this machine without keys: whoever reaches it runs commands on the workers",
  ),
  maxConnections: setting(
    "MaxConnections",
    "--max-connections",
    integer(1, 1_000_000),
    undefined,
    "connections that may be open at a time; more are turned away",
    { defaultText: "what the limit of open files allows, at most 4000", example: "1000" },
  ),
  maxConnectionsPerAddress: setting(
    "MaxConnectionsPerAddress",
    "--max-connections-per-address",
    integer(0, 1_000_000),
    0,
    "connections that one address may have; 0 is no limit",
  ),
  trustedProxies: setting(
    "TrustedProxies",
    "--trusted-proxies",
    addressRanges,
    undefined,
    "proxies whose X-Forwarded-For says whose a request is, for that limit",
    { defaultText: "none", example: "127.0.0.1,10.0.0.0/8" },
  ),
  headerTimeout: setting(
    "HeaderTimeout",
    "--header-timeout",
    duration(100, 3_600_000),
    20_000,
    "time that a client has for a request's header",
  ),
  idleTimeout: setting(
    "IdleTimeout",
    "--idle-timeout",
    duration(100, DAY_MS),
    120_000,
    "time that a connection is kept for its next request",
  ),
  bodyTimeout: setting(
    "BodyTimeout",
    "--body-timeout",
    duration(100, DAY_MS),
    60_000,
    "time that a client has for a request's body, and a second more for each 1000 bytes of it",
  ),
  streamTimeout: setting(
    "StreamTimeout",
    "--stream-timeout",
    duration(100, 30 * DAY_MS),
    3_600_000,
    "longest silence of a client within PublishJobEvents, or while it is to take an answer",
  ),
  metricsOpen: setting(
    "MetricsOpen",
    "--metrics-open",
    boolean,
    false,
    "show /metrics to whoever reaches the server, although calls need a key",
  ),
  metricsTokenFile: setting(
    "MetricsTokenFile",
    "--metrics-token-file",
    path,
    undefined,
    "file that holds the token with which /metrics may be read, and nothing else",
    { defaultText: "none", example: "~/.airunner/metrics.token" },
  ),
  data: setting("Data", "--data", path, undefined, "the server's database file", {
    defaultText: "DATA-DIR/server.db",
    example: "~/.airunner/server.db",
  }),
} as const;

/** Who may connect to the server, for how long, and who may read its metrics. */
export const CONNECTION_SETTINGS = [
  "maxConnections",
  "maxConnectionsPerAddress",
  "trustedProxies",
  "headerTimeout",
  "idleTimeout",
  "bodyTimeout",
  "streamTimeout",
  "metricsOpen",
  "metricsTokenFile",
] as const;
