import assert from "node:assert/strict";
import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { JobParamsSchema } from "./gen/job/v1/job_pb.ts";
import { secretNames, SECRETS_KEY, withoutSecrets } from "./job_secrets.ts";

Deno.test("the names of secret variables are read whatever blanks are between them", () => {
  const table: [string | undefined, string[]][] = [
    [undefined, []],
    ["", []],
    ["TOKEN", ["TOKEN"]],
    ["A,B", ["A", "B"]],
    [" A , B ,", ["A", "B"]],
    [",,", []],
  ];
  for (const [value, names] of table) {
    assert.deepEqual(secretNames(value === undefined ? {} : { [SECRETS_KEY]: value }), names);
  }
});

Deno.test("parameters are shown without the secret variables and with all else", () => {
  const params = create(JobParamsSchema, {
    command: "make",
    environment: { TOKEN: "hush", CI: "1" },
    metadata: { [SECRETS_KEY]: "TOKEN,NOT_SET" },
  });
  const shown = withoutSecrets(params);
  assert.deepEqual(shown.environment, { CI: "1" });
  assert.deepEqual(shown.metadata, params.metadata);
  assert.equal(shown.command, "make");
  assert.equal(params.environment.TOKEN, "hush", "The job itself keeps its secret");
});

Deno.test("parameters without secrets are shown as they are", () => {
  const params = create(JobParamsSchema, { command: "make", environment: { CI: "1" } });
  assert.equal(withoutSecrets(params), params);
});

Deno.test("no secret value is ever shown, and no other one is lost", () => {
  const name = fc.stringMatching(/^[A-Z_a-z.]{1,8}$/);
  fc.assert(fc.property(
    fc.dictionary(name, fc.string()),
    fc.array(name, { maxLength: 4 }),
    (environment, secrets) => {
      const params = create(JobParamsSchema, {
        environment,
        metadata: { [SECRETS_KEY]: secrets.join(", ") },
      });
      const shown = withoutSecrets(params).environment;
      for (const [key, value] of Object.entries(environment)) {
        assert.equal(shown[key], secrets.includes(key) ? undefined : value);
      }
    },
  ));
});
