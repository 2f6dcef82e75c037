import assert from "node:assert/strict";
import { referencesOf } from "./promql.ts";

Deno.test("references of an expression are its metrics, matchers and groupings, and neither functions nor units", () => {
  const expression =
    `histogram_quantile(0.99, sum by (le, job) (rate(a_bucket{x="1", y=~"$z"}[5m]))) > 1e-2 ` +
    `and time() - b > 0 or sum(c) by (d) * on (e) group_left up{job!="f"}`;
  assert.deepEqual(referencesOf(expression), {
    metrics: [
      {
        name: "a_bucket",
        matchers: [{ label: "x", operator: "=", value: "1" }, { label: "y", operator: "=~", value: "$z" }],
      },
      { name: "b", matchers: [] },
      { name: "c", matchers: [] },
      { name: "up", matchers: [{ label: "job", operator: "!=", value: "f" }] },
    ],
    groupLabels: ["le", "job", "d", "e"],
  });
});
