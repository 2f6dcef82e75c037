import assert from "node:assert/strict";
import { configLocations } from "./config_location.ts";

function locations(flag?: string, dataDir?: string, env: Record<string, string> = {}) {
  return configLocations({ flag, dataDir, env: (name) => ({ HOME: "/home/ci", ...env })[name] });
}

Deno.test("a file that is named is the only one, and the flag wins over the variable", () => {
  assert.deepEqual(locations("a.yaml", undefined, { AIRUNNER_CONFIG: "b.yaml" }).named, {
    path: "a.yaml",
    where: "--config",
  });
  assert.deepEqual(locations(undefined, undefined, { AIRUNNER_CONFIG: "~/b.yaml" }).named, {
    path: "/home/ci/b.yaml",
    where: "AIRUNNER_CONFIG",
  });
  assert.equal(locations(undefined, undefined, { AIRUNNER_CONFIG: "" }).named, undefined);
});

Deno.test("else it is looked for in the data directory, at home and where XDG says", () => {
  const home = "/home/ci/.airunner/config.yaml";
  const xdg = "/home/ci/.config/airunner/config.yaml";
  assert.deepEqual(locations().candidates, [home, xdg]);
  assert.deepEqual(locations(undefined, "/home/ci/.airunner").candidates, [home, xdg]);
  assert.deepEqual(locations(undefined, "/srv/ci/").candidates, ["/srv/ci/config.yaml", home, xdg]);
  assert.deepEqual(locations(undefined, undefined, { XDG_CONFIG_HOME: "/etc/xdg" }).candidates, [
    home,
    "/etc/xdg/airunner/config.yaml",
  ]);
  assert.deepEqual(locations(undefined, undefined, { XDG_CONFIG_HOME: "relative" }).candidates, [home, xdg]);
  assert.deepEqual(locations(undefined, "/srv", { HOME: "" }).candidates, ["/srv/config.yaml"]);
});
