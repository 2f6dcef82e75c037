/**
 * SQL on the database, each statement prepared once.
 */
import type { StatementSync } from "node:sqlite";
import type { Database } from "./database.ts";

export type SqlValue = string | number | bigint | null | Uint8Array;

export class Sql {
  readonly #database: Database;
  readonly #statements = new Map<string, StatementSync>();
  readonly #bigStatements = new Map<string, StatementSync>();

  constructor(database: Database) {
    this.#database = database;
  }

  /** As Database.read. */
  read<T>(work: () => T): T {
    return this.#database.read(work);
  }

  /** As Database.write. */
  write<T>(work: () => T): T {
    return this.#database.write(work);
  }

  /** As Database.writeUnsynced. */
  writeUnsynced<T>(work: () => T): T {
    return this.#database.writeUnsynced(work);
  }

  /** Only within `read` or `write`, like the others below: these convert its errors. */
  run(sql: string, ...values: SqlValue[]): { changes: number | bigint; lastInsertRowid: number | bigint } {
    return this.#statement(sql).run(...values);
  }

  row<R>(sql: string, ...values: SqlValue[]): R | undefined {
    return this.#statement(sql).get(...values) as R | undefined;
  }

  rows<R>(sql: string, ...values: SqlValue[]): R[] {
    return this.#statement(sql).all(...values) as R[];
  }

  /** As `row`, with every integer a bigint: sequences and arrivals use all of int64. */
  bigRow<R>(sql: string, ...values: SqlValue[]): R | undefined {
    return this.#bigStatement(sql).get(...values) as R | undefined;
  }

  bigRows<R>(sql: string, ...values: SqlValue[]): R[] {
    return this.#bigStatement(sql).all(...values) as R[];
  }

  #statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (!statement) this.#statements.set(sql, statement = this.#database.prepare(sql));
    return statement;
  }

  #bigStatement(sql: string): StatementSync {
    let statement = this.#bigStatements.get(sql);
    if (!statement) {
      this.#bigStatements.set(sql, statement = this.#database.prepare(sql));
      statement.setReadBigInts(true);
    }
    return statement;
  }
}
