/**
 * What is shipped for Prometheus and Grafana, checked by their own tools and against a real Prometheus that
 * scrapes a real worker and a real server.
 */
import assert from "node:assert/strict";
import { parse } from "yaml";
import { Sandbox } from "./support/airunner.ts";
import { ALERTS_FILE, readRules } from "./support/alert_rules.ts";
import { filledIn, type Panel, queriesOf, readDashboard } from "./support/dashboard.ts";
import type { Family } from "./support/metrics_text.ts";
import { type Matcher, referencesOf } from "./support/promql.ts";
import { Prometheus, promtool } from "./support/prometheus.ts";
import { Scraper } from "./support/scraper.ts";

const PROMETHEUS_DIR = new URL("../deploy/prometheus", import.meta.url).pathname;

async function check(args: string[]): Promise<void> {
  const { success, output } = await promtool(args, PROMETHEUS_DIR);
  assert.ok(success, output);
  // Without a rule or a test promtool is content as well.
  assert.doesNotMatch(output, /FAILED|\b0 rules found/);
}

Deno.test("promtool accepts the alert rules", () => check(["check", "rules", "alerts.yml"]));

Deno.test("promtool accepts the example configuration", () => check(["check", "config", "prometheus.yml"]));

Deno.test("every alert's stories come out as they are told", () =>
  check(["test", "rules", "alerts_test.yml"]));

Deno.test("every alert has a story in which it fires and one in which nothing does", () => {
  const { tests } = parse(Deno.readTextFileSync(`${PROMETHEUS_DIR}/alerts_test.yml`)) as {
    tests: { name: string; promql_expr_test: { expr: string; exp_samples: { labels: string }[] }[] }[];
  };
  for (const { alert } of readRules()) {
    const expected = tests.filter(({ name }) => name.startsWith(`${alert} fires `))
      .flatMap(({ promql_expr_test }) => promql_expr_test.flatMap(({ exp_samples }) => exp_samples));
    assert.ok(expected.some(({ labels }) => labels.includes(`alertname="${alert}"`)), `${alert} fires`);
    const quiet = tests.filter(({ name }) => name.startsWith(`${alert} must not fire `));
    assert.ok(quiet.length > 0, `${alert} must not fire`);
    for (const { promql_expr_test } of quiet) {
      assert.ok(promql_expr_test.length > 0);
      assert.ok(promql_expr_test.every(({ exp_samples }) => exp_samples.length === 0), alert);
    }
  }
});

Deno.test("the runbook's four alerts are there under their names", () => {
  const names = new Set(readRules().map(({ alert }) => alert));
  for (const name of ["WALHighLatency", "WALPendingEvents", "WALDiskFull", "WALFailedEvents"]) {
    assert.ok(names.has(name), name);
  }
});

Deno.test("every alert says how bad it is, what happened, what to type and where to read on", () => {
  const page = "docs/monitoring.md";
  const text = Deno.readTextFileSync(new URL(`../${page}`, import.meta.url));
  for (const { alert, labels, annotations } of readRules()) {
    assert.match(labels.severity, /^(critical|warning)$/, alert);
    assert.ok(annotations.summary.length > 0 && annotations.summary.length < 80, alert);
    assert.match(annotations.description, /`(airunner|systemctl|curl) /, alert);
    const anchor = alert.toLowerCase();
    assert.equal(annotations.runbook_url, `${page}#${anchor}`);
    assert.ok(text.includes(`<a id="${anchor}">`), `${page} has no anchor ${anchor}`);
  }
});

Deno.test("every command that an alert or the dashboard names exists, with its options", async () => {
  await using sandbox = new Sandbox();
  const texts = [
    ...readRules().map(({ annotations }) => annotations.description),
    ...readDashboard().panels.map(({ description = "" }) =>
      description.replace(/: (airunner .*)$/, ": `$1`")
    ),
  ];
  const commands = new Set(
    texts.flatMap((text) => [...text.matchAll(/`airunner ([^`]+)`/g)].map(([, c]) => c)),
  );
  assert.ok(commands.size > 5);
  for (const command of commands) {
    const words = command.split(" ");
    const isTopic = words[0] === "help";
    const path = isTopic ? words : words.filter((word) => /^[a-z]+$/.test(word));
    const { code, stdout, stderr } = await sandbox.run(isTopic ? path : [...path, "--help"]);
    assert.equal(code, 0, `airunner ${command}: ${stderr}`);
    const help = new TextDecoder().decode(stdout);
    if (!isTopic) assert.match(help, new RegExp(`^Usage: airunner ${path.join(" ")} `), command);
    for (const option of command.match(/--[a-z-]+/g) ?? []) {
      assert.ok(help.includes(option), `airunner ${command}: ${option} is not in its help`);
    }
  }
});

Deno.test("the dashboard is one that Grafana can import: ids, places and data sources are in order", () => {
  const { id, uid, title, schemaVersion, panels, templating } = readDashboard();
  assert.deepEqual({ id, uid, title, schemaVersion }, {
    id: null,
    uid: "airunner",
    title: "airunner",
    schemaVersion: 38,
  });
  assert.deepEqual(templating.list.map(({ name, type }) => [name, type]), [
    ["datasource", "datasource"],
    ["instance", "query"],
    ["server", "query"],
  ]);
  assert.equal(new Set(panels.map((panel) => panel.id)).size, panels.length);
  for (const [index, panel] of panels.entries()) {
    const { x, w } = panel.gridPos;
    assert.ok(x >= 0 && x + w <= 24, panel.title);
    for (const other of panels.slice(index + 1)) {
      assert.ok(!overlap(panel, other), `${panel.title}, ${other.title}`);
    }
    if (panel.type === "row") continue;
    assert.ok(["stat", "gauge", "timeseries"].includes(panel.type), panel.title);
    assert.ok(panel.description, panel.title);
    assert.equal(panel.datasource?.uid, "${datasource}");
    const references = panel.targets!.map(({ refId, datasource }) => [refId, datasource.uid]);
    assert.deepEqual(references, references.map((_, at) => ["ABC"[at], "${datasource}"]), panel.title);
    assert.equal(panel.fieldConfig!.defaults.thresholds.steps[0].value, null, panel.title);
  }
});

function overlap({ gridPos: a }: Panel, { gridPos: b }: Panel): boolean {
  return a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;
}

Deno.test("the runbook's panels are there with its thresholds, in base units", () => {
  const panels = new Map(readDashboard().panels.map((panel) => [panel.title, panel]));
  const thresholds = (title: string) => {
    const { unit, thresholds } = panels.get(title)!.fieldConfig!.defaults;
    return [unit, ...thresholds.steps.slice(1).map(({ value, color }) => `${value} ${color}`)];
  };
  assert.deepEqual(thresholds("WAL Append Latency"), ["s", "0.01 yellow", "0.02 red"]);
  assert.deepEqual(thresholds("Pending Events"), ["short", "100 green", "1000 yellow", "10000 red"]);
  assert.deepEqual(thresholds("Archive Size"), [
    "decbytes",
    "5000000000 green",
    "10000000000 yellow",
    "20000000000 red",
  ]);
  assert.match(panels.get("Retry Rate")!.targets![0].expr, /^rate\(wal_retries_total/);
  assert.equal(panels.get("Pending Events")!.type, "gauge");
  assert.equal(panels.get("Archive Size")!.type, "gauge");
});

Deno.test("every metric and label of the alerts and the dashboard is in a scrape, and every query has data", async () => {
  await using sandbox = new Sandbox();
  const server = await sandbox.startServer();
  const worker = sandbox.start(["worker", `--server=${server.url}`, "--metrics-listen=127.0.0.1:0"]);
  const ofWorker = await Scraper.ofWorker(worker);
  await using prometheus = await Prometheus.start({
    directory: `${sandbox.directory}/prometheus`,
    targets: {
      "airunner-worker": new URL(ofWorker.url).host,
      "airunner-server": new URL(server.url).host,
    },
  });
  // Only what happens between two scrapes is a rate.
  await prometheus.until(
    async () => (await prometheus.query("up == 1")).length === 2 || undefined,
    () => Promise.resolve("Prometheus does not reach the worker and the server"),
  );
  const script = "for i in 1 2 3; do echo $i; sleep 1; done";
  const submitted = await sandbox.run(["submit", `--server=${server.url}`, "--", "sh", "-c", script]);
  assert.equal(submitted.code, 0, submitted.stderr);
  await worker.waitFor(/Job completed/);
  await ofWorker.until((scrape) => scrape.value("wal_archive_files") === 1);

  const scraped = [await ofWorker.scrape(), await Scraper.at(server.url).scrape()];
  const families = new Map(scraped.flatMap(({ families }) => [...families]));
  for (const { alert, expr, annotations } of readRules()) {
    assertReferences(families, alert, expr, Object.values(annotations).join(" "));
  }
  for (const { title, expr, legend } of queriesOf(readDashboard())) {
    assertReferences(families, title, expr, legend);
  }
  await assertVariables(prometheus);
  await assertData(prometheus);
});

/** Labels that Prometheus itself adds. */
const TARGET_LABELS = ["job", "instance"];

function assertReferences(
  families: ReadonlyMap<string, Family>,
  where: string,
  expression: string,
  templates: string,
): void {
  const { metrics, groupLabels } = referencesOf(expression);
  assert.ok(metrics.length > 0, `${where}: no metric in ${expression}`);
  const known = new Set(TARGET_LABELS);
  for (const { name, matchers } of metrics) {
    // The one metric that Prometheus makes itself.
    if (name === "up") continue;
    const family = families.get(name) ?? families.get(name.replace(/_bucket$/, ""));
    const samples = family?.samples.filter((sample) => sample.name === name) ?? [];
    assert.ok(samples.length > 0, `${where}: ${name} is not in a scrape`);
    const labels = samples.map((sample) => sample.labels);
    for (const matcher of matchers) assertMatcher(labels, matcher, `${where}: ${name}`);
    for (const label of labels.flatMap(Object.keys)) known.add(label);
  }
  const shown = [...templates.matchAll(/\{\{\s*(?:\$labels\.)?(\w+)\s*\}\}/g)].map(([, label]) => label);
  for (const label of [...groupLabels, ...shown]) {
    assert.ok(known.has(label), `${where}: no metric has the label ${label}`);
  }
}

function assertMatcher(labels: Record<string, string>[], { label, operator, value }: Matcher, where: string) {
  if (TARGET_LABELS.includes(label)) return;
  assert.equal(operator, "=", `${where}: ${label}`);
  assert.ok(labels.some((one) => one[label] === value), `${where}: no series has ${label}="${value}"`);
}

async function assertVariables(prometheus: Prometheus): Promise<void> {
  for (const { name, query } of readDashboard().templating.list) {
    if (typeof query === "string") continue;
    const match = /^label_values\((\w+), (\w+)\)$/.exec(query.query);
    assert.ok(match !== null, query.query);
    assert.equal((await prometheus.labelValues(match[1], match[2])).length, 1, `variable ${name}`);
  }
}

async function assertData(prometheus: Prometheus): Promise<void> {
  for (const { title, expr } of queriesOf(readDashboard())) {
    const query = filledIn(expr);
    await prometheus.until(
      async () => (await prometheus.query(query)).some(({ value }) => !Number.isNaN(value)) || undefined,
      async () => `${title}: ${query} gives no number: ${JSON.stringify(await prometheus.query(query))}`,
    );
  }
}

Deno.test("the example configuration scrapes what the alerts name, and reads the alerts", () => {
  const { rule_files, scrape_configs } = parse(Deno.readTextFileSync(`${PROMETHEUS_DIR}/prometheus.yml`)) as {
    rule_files: string[];
    scrape_configs: { job_name: string; static_configs: { targets: string[] }[] }[];
  };
  assert.deepEqual(rule_files.map((name) => `${PROMETHEUS_DIR}/${name}`), [ALERTS_FILE]);
  const jobs = new Set(scrape_configs.map(({ job_name }) => job_name));
  const named = readRules().flatMap(({ expr }) =>
    referencesOf(expr).metrics.flatMap(({ matchers }) => matchers)
  )
    .filter(({ label }) => label === "job");
  assert.ok(named.length > 0);
  for (const { value } of named) assert.ok(jobs.has(value), value);
});
