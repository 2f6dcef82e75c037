/**
 * What this process was started with.
 */
import type { Environment } from "./environment.ts";

export const systemEnvironment: Environment = {
  env: (name) => Deno.env.get(name),
  environment: () => Deno.env.toObject(),
  hostname: () => Deno.hostname(),
  workingDirectory: () => Deno.cwd(),
  userId: () => Deno.uid() ?? undefined,
};
