/**
 * What a PromQL expression refers to: metrics, the labels it selects by, and the labels it groups by. Reads
 * only as much of the language as rules and dashboards of this project use.
 */

export interface Matcher {
  label: string;
  operator: "=" | "!=" | "=~" | "!~";
  value: string;
}

export interface References {
  metrics: { name: string; matchers: Matcher[] }[];
  groupLabels: string[];
}

/** Words that look like a metric. */
const KEYWORDS = new Set(["and", "or", "unless", "bool", "offset", "group_left", "group_right"]);

const GROUPING = /\b(?:by|without|on|ignoring)\s*\(([^)]*)\)/g;
const WORD = /(?<![\w.$:])([a-zA-Z_:][\w:]*)\s*(\{[^}]*\}|\()?/g;
const MATCHER = /([a-zA-Z_]\w*)\s*(=~|!~|!=|=)\s*"([^"]*)"/g;

export function referencesOf(expression: string): References {
  const groupLabels: string[] = [];
  const bare = expression
    .replaceAll(GROUPING, (_, labels: string) => {
      groupLabels.push(...labels.split(",").map((label) => label.trim()));
      return "";
    })
    // Ranges: what looks like a word in them is a unit of time.
    .replaceAll(/\[[^\]]*\]/g, "");
  const metrics = [...bare.matchAll(WORD)]
    .filter(([, name, next]) => next !== "(" && !KEYWORDS.has(name))
    .map(([, name, selector = ""]) => ({ name, matchers: [...selector.matchAll(MATCHER)].map(matcher) }));
  return { metrics, groupLabels };
}

function matcher([, label, operator, value]: RegExpMatchArray): Matcher {
  return { label, operator: operator as Matcher["operator"], value };
}
