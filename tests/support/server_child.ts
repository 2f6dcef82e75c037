/**
 * A server in a process of its own, for tests that kill it: `server_child.ts DATA_FILE` prints its URL and
 * serves.
 */
import { startServer } from "../../src/server/server.ts";
import { systemHost } from "../../src/platform/system_host.ts";
import { SERVER_DEFAULTS } from "./server_defaults.ts";

export interface ServerChild {
  url: string;
  /** Ends the process with a signal that it cannot see coming. */
  kill(): Promise<void>;
}

export async function spawnServer(dataFile: string): Promise<ServerChild> {
  const process = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "-A", import.meta.filename!, dataFile],
    stdout: "piped",
  }).spawn();
  const output = process.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const { value: url } = await output.read();
  if (!url?.startsWith("http")) throw new Error("The server did not start");
  return {
    url: url.trim(),
    kill: async () => {
      process.kill("SIGKILL");
      await output.cancel();
      await process.status;
    },
  };
}

if (import.meta.main) {
  const server = await startServer({
    ...SERVER_DEFAULTS,
    host: systemHost,
    listen: { hostname: "127.0.0.1", port: 0 },
    dataFile: Deno.args[0],
  });
  console.log(server.url);
}
