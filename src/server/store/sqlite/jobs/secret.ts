/**
 * Secrets of the server that have to outlive it.
 */
import type { Sql } from "../sql.ts";

export function secret(sql: Sql, name: string, create: () => Uint8Array): Uint8Array {
  return sql.write(() => {
    sql.run("INSERT INTO settings (name, value) VALUES (?, ?) ON CONFLICT DO NOTHING", name, create());
    return sql.row<{ value: Uint8Array }>("SELECT value FROM settings WHERE name = ?", name)!.value;
  });
}
