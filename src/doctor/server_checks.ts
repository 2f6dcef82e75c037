/**
 * Whether the server can be reached, lets us in, and agrees with this machine about the time.
 */
import { shellWord, shown } from "../platform/text.ts";
import { type Check, type Cure, type Finding, ok, problem, skipped, warning } from "./finding.ts";
import type { ServerAnswer, SignInAnswer } from "./probe.ts";

/** Tokens are made with this machine's time, and events carry it. */
const CLOCK_AHEAD_MS_MAX = 5000;

const NO_SERVER = "no server is given";
const NO_ANSWER = "the server does not answer";
const NAME_SERVER: Cure = ["airunner doctor --server=URL", "looks at the server too"];

const reachable: Check = {
  id: "server",
  title: "Server",
  async run(probe) {
    const { server } = probe.settings;
    if (server === undefined) return skipped(NO_SERVER, NAME_SERVER);
    return judgeServer(server, await probe.askServer(server));
  },
};

export function judgeServer(server: string, answer: ServerAnswer): Finding {
  const health = `${server.replace(/\/+$/, "")}/healthz`;
  const cures: Cure[] = [
    [`curl -v ${shellWord(health)}`, "shows how far a connection gets: name, address, port, certificate"],
    ["airunner help not-sending", "says what else keeps events from being sent"],
  ];
  if (answer.kind === "none") {
    return problem(
      `${shown(server)} does not answer: ${
        shown(answer.why)
      }. What is unsent stays on disk and is sent when it is back`,
      { reached: false },
      ...cures,
    );
  }
  const { status, tookMs } = answer;
  const measured = { reached: true, http_status: status, took_ms: Math.round(tookMs) };
  const answered = `${shown(server)} answers in ${Math.round(tookMs)} ms`;
  if (status === 429) {
    return warning(`${answered}, but with status 429: it limits the rate of calls`, measured, rateCure());
  }
  if (status >= 500) {
    return problem(
      `${answered}, but with status ${status}: something before or in it is out of order`,
      measured,
      ...cures,
    );
  }
  // A server of another make need not know the path: that it speaks is what counts here.
  return ok(answered, measured);
}

function rateCure(): Cure {
  return [
    "airunner worker --server=URL --retry-initial-interval=5s --retry-max-interval=2m",
    "sends less often after a failure",
  ];
}

const credentials: Check = {
  id: "credentials",
  title: "Credentials",
  async run(probe) {
    const { server } = probe.settings;
    if (server === undefined) return skipped(NO_SERVER);
    if ((await probe.askServer(server)).kind === "none") return skipped(NO_ANSWER);
    return judgeSignIn(await probe.signIn(server), probe.settings.dataDir);
  },
};

export function judgeSignIn(answer: SignInAnswer, dataDir: string): Finding {
  switch (answer.kind) {
    case "accepted":
      return ok(
        answer.isSigned ? "accepted" : "none here, and the server asks for none",
        { accepted: true, signed: answer.isSigned },
      );
    case "refused":
      return problem(
        `not accepted: ${shown(answer.why)}. What is unsent stays on disk`,
        { accepted: false },
        answer.credentialsFile === undefined
          ? [
            "airunner keys new NAME",
            `makes a key pair; there is none in ${shown(`${dataDir}/credentials`)}`,
          ]
          : [
            "airunner keys list",
            "lists the key pairs; the server has to know the public key of the one that is used (--credential)",
          ],
      );
    case "unreachable":
      return skipped(`a call is not answered: ${shown(answer.why)}`);
    case "other":
      return warning(`the server answers a listing of jobs with an error: ${shown(answer.why)}`, {
        accepted: null,
      }, ["airunner list --server=URL", "makes the same call"]);
  }
}

const clock: Check = {
  id: "clock",
  title: "Clock",
  async run(probe) {
    const { server } = probe.settings;
    if (server === undefined) return skipped(NO_SERVER);
    return judgeClock(await probe.askServer(server));
  },
};

export function judgeClock(answer: ServerAnswer): Finding {
  if (answer.kind === "none") return skipped(NO_ANSWER);
  const { aheadMs } = answer;
  if (aheadMs === undefined) return skipped("the server's answer does not say its time");
  const seconds = Math.round(Math.abs(aheadMs) / 100) / 10;
  const measured = { ahead_ms: Math.round(aheadMs) };
  if (Math.abs(aheadMs) <= CLOCK_AHEAD_MS_MAX) {
    return ok(aheadMs === 0 ? "agrees with the server's" : `within ${seconds} s of the server's`, measured);
  }
  return warning(
    `${seconds} s ${
      aheadMs > 0 ? "ahead of" : "behind"
    } the server's: tokens may be refused, and times in output are wrong`,
    measured,
    [
      "sudo timedatectl set-ntp true",
      "lets this machine's clock be set by the network; look at the server's too",
    ],
  );
}

export const SERVER_CHECKS: readonly Check[] = [reachable, credentials, clock];
