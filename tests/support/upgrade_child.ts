/**
 * Brings a database up to date in a process of its own that is killed just before the COUNTth time that it
 * asks the file system for something: `upgrade_child.ts DATABASE COUNT`. Ends with 0 when it was not killed.
 */
import { silentLogger } from "../../src/platform/logging/logger.ts";
import { systemHost } from "../../src/platform/system_host.ts";
import { upgradeDatabase } from "../../src/server/store/sqlite/upkeep/upgrade.ts";

const [path, count] = Deno.args;
let left = Number(count);

function killedInTime<T extends object>(target: T): T {
  return new Proxy(target, {
    get(object, name) {
      const value = Reflect.get(object, name);
      if (typeof value !== "function") return value;
      return (...args: unknown[]) => {
        if (--left === 0) Deno.kill(Deno.pid, "SIGKILL");
        const result = value.apply(object, args);
        // An open file's own calls count as well.
        return name === "create" ? result.then((file: object) => killedInTime(file)) : result;
      };
    },
  });
}

await upgradeDatabase(path!, {
  host: { ...systemHost, files: killedInTime(systemHost.files) },
  logger: silentLogger,
});
