import { join } from "node:path";
import { systemNextTurn } from "../../../platform/system_clock.ts";
import { systemFiles } from "../../../platform/system_files.ts";
import { describeStore } from "../../../../tests/support/store_contract.ts";
import { SqliteStore } from "./sqlite_store.ts";

describeStore("SQLite", () => {
  const directory = Deno.makeTempDirSync({ prefix: "airunner-store-" });
  const store = new SqliteStore(join(directory, "server.db"), {
    files: systemFiles,
    nextTurn: systemNextTurn,
  });
  return Promise.resolve({
    store,
    // The file is locked: a second server on it is refused.
    other: store,
    async [Symbol.asyncDispose]() {
      await store.close();
      Deno.removeSync(directory, { recursive: true });
    },
  });
});
