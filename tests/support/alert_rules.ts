/**
 * The alerting rules as they are shipped, and the same rules for somebody in a hurry.
 */
import assert from "node:assert/strict";
import { parse, stringify } from "yaml";

export const ALERTS_FILE = new URL("../../deploy/prometheus/alerts.yml", import.meta.url).pathname;

export interface AlertRule {
  alert: string;
  expr: string;
  for?: string;
  labels: Record<string, string>;
  annotations: Record<string, string>;
}

interface RuleFile {
  groups: { name: string; rules: AlertRule[] }[];
}

export function readRules(): AlertRule[] {
  return readFile().groups.flatMap(({ rules }) => rules);
}

function readFile(): RuleFile {
  return parse(Deno.readTextFileSync(ALERTS_FILE));
}

/** The windows of rates, long enough for several scrapes a second apart. */
const HURRIED_WINDOW = "[8s]";
/** Minutes of patience become so many seconds, but at most four of them. */
const SECONDS_A_MINUTE = 0.5;
/** The age at which an event counts as stalled. */
const HURRIED_AGE_SECONDS = 3;

/**
 * The shipped rules with every time in them made short; what they look at, and all other limits, stay as they
 * are.
 */
export function hurriedRules(): string {
  const file = readFile();
  for (const rule of file.groups.flatMap(({ rules }) => rules)) {
    rule.expr = rule.expr.replaceAll(/\[\d+[smh]\]/g, HURRIED_WINDOW);
    if (rule.for !== undefined) {
      rule.for = `${Math.max(1, Math.min(4, Math.ceil(minutes(rule.for) * SECONDS_A_MINUTE)))}s`;
    }
    if (rule.alert === "WALStalled") {
      assert.match(rule.expr, /> 600 /);
      rule.expr = rule.expr.replace("> 600 ", `> ${HURRIED_AGE_SECONDS} `);
    }
  }
  return stringify(file);
}

function minutes(duration: string): number {
  const match = /^(\d+)m$/.exec(duration);
  assert.ok(match !== null, `not a number of minutes: ${duration}`);
  return Number(match[1]);
}
