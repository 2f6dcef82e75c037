import assert from "node:assert/strict";
import * as fc from "fast-check";
import { configTemplate, SECTIONS, yamlScalar } from "./config_template.ts";
import { fileSource, parseConfigFile } from "./config_file.ts";
import { resolveSettings } from "./resolve.ts";
import { type Setting, SETTING_NAMES, SETTINGS } from "./settings.ts";

Deno.test("every setting is in one section", () => {
  assert.deepEqual(SECTIONS.flatMap(({ names }) => names).toSorted(), [...SETTING_NAMES].sort());
});

Deno.test("the template sets nothing, and everything once the signs are taken away, to what it is anyway", () => {
  assert.equal(parseConfigFile(configTemplate(), "config.yaml").places.size, 0);
  const uncommented = configTemplate().replaceAll(/^#(?=( {2})?\w+:)/gm, "");
  const file = parseConfigFile(uncommented, "/etc/config.yaml");
  assert.equal(file.places.size, SETTING_NAMES.length);
  const { values } = resolveSettings(SETTING_NAMES, [fileSource(file)], "/home/ci");
  const defaults = resolveSettings(SETTING_NAMES, [], "/home/ci").values;
  for (const name of SETTING_NAMES) {
    const setting: Setting = SETTINGS[name];
    if (setting.default !== undefined) assert.deepEqual(values[name], defaults[name], name);
    assert.ok(file.places.has(setting.key), name);
  }
});

Deno.test("a text that is written as a YAML value reads as the same text", () => {
  fc.assert(fc.property(fc.string({ minLength: 1, unit: "grapheme" }), (text) => {
    fc.pre(SETTINGS.queue.type.parse(text) !== undefined);
    const { places } = parseConfigFile(`Queue: ${yamlScalar(text)}`, "config.yaml");
    assert.equal(places.get("Queue")?.text, text);
  }));
  for (
    const text of ["null", "~", "- a", "a: b", "a #b", "*a", "&a", "!a", "@a", "%a", "a:", "[a]", " a", "1e3"]
  ) {
    assert.equal(parseConfigFile(`Queue: ${yamlScalar(text)}`, "x").places.get("Queue")?.text, text);
  }
});
