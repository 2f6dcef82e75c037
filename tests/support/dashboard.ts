/**
 * The dashboard as it is shipped, as far as tests look at it.
 */

export interface Step {
  color: string;
  value: number | null;
}

export interface Panel {
  id: number;
  type: string;
  title: string;
  description?: string;
  datasource?: { type: string; uid: string };
  gridPos: { x: number; y: number; w: number; h: number };
  targets?: { refId: string; expr: string; legendFormat: string; datasource: { uid: string } }[];
  fieldConfig?: { defaults: { unit: string; thresholds: { steps: Step[] } } };
}

export interface Dashboard {
  id: null;
  uid: string;
  title: string;
  schemaVersion: number;
  panels: Panel[];
  templating: {
    list: { name: string; type: string; query: string | { query: string }; datasource?: { uid: string } }[];
  };
}

export function readDashboard(): Dashboard {
  const url = new URL("../../deploy/grafana/dashboard.json", import.meta.url);
  return JSON.parse(Deno.readTextFileSync(url));
}

/** Every query of every panel. */
export function queriesOf({ panels }: Dashboard): { title: string; expr: string; legend: string }[] {
  return panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ expr, legendFormat }) => ({ title, expr, legend: legendFormat }))
  );
}

/** A query as Grafana would send it when all instances are chosen. */
export function filledIn(expression: string): string {
  const filled = expression
    .replaceAll("$__rate_interval", "1m")
    .replaceAll(/"\$(instance|server)"/g, '".+"');
  if (filled.includes("$")) throw new Error(`A variable is left in ${filled}`);
  return filled;
}
