/**
 * `airunner wal migrate`: moves logs and archives to another disk.
 */
import { CopyConflictError } from "../../../migrate/copy_file.ts";
import { migrate, MigrationError, type MigrationResult } from "../../../migrate/migrate.ts";
import {
  type MigrateOptions,
  type MigrationObstacle,
  type MigrationPlan,
  planMigration,
} from "../../../migrate/plan.ts";
import { isNoSpaceError } from "../../../platform/files.ts";
import type { Call } from "../../call.ts";
import type { Context } from "../../context.ts";
import { CommandError, UsageError } from "../../command_error.ts";
import { ExitCode } from "../../../screens/exit_code.ts";
import { toJson } from "../../../platform/json.ts";
import { Progress } from "../../../screens/progress.ts";
import { renderMigrated, renderMigrationPlan, renderObstacles } from "../../../screens/migrate_screen.ts";
import { formatBytes, shellWord } from "../../../platform/text.ts";
import { stopSignals } from "../../terminal/stop_signals.ts";

type Migrate = Call<
  [],
  { to: string; symlink?: true; dryRun?: true; json?: true },
  "walDir" | "archiveDir"
>;

export async function run({ context, options, settings, logger, style }: Migrate): Promise<number> {
  const { stdout } = context;
  if (options.to === "") throw new UsageError("Cannot migrate: --to is empty; name the new directory");
  const progress = new Progress(context);
  const signals = stopSignals(context.signals, logger);
  const to = absolute(context, options.to);
  const request: MigrateOptions = {
    files: context.files,
    sources: { wal: absolute(context, settings.walDir), archive: absolute(context, settings.archiveDir) },
    to,
    symlink: options.symlink ?? false,
    signal: signals.drain,
    onProgress: (done, total) =>
      progress.show(() => `Copied and compared ${formatBytes(done)} of ${formatBytes(total)}`),
  };
  try {
    const plan = await planMigration(request);
    if (options.dryRun) {
      await stdout.write(
        options.json ? toJson(migrationJson(plan, undefined, to)) + "\n" : renderMigrationPlan(plan, style) +
          (plan.obstacles.length === 0 ? "" : `In the way:\n${renderObstacles(plan.obstacles)}\n`) +
          "Nothing was changed (--dry-run)\n",
      );
      return plan.obstacles.length === 0 ? ExitCode.DONE : ExitCode.FAILED;
    }
    if (plan.obstacles.length > 0) throw refused("nothing was changed", plan.obstacles);
    if (!options.json) await stdout.write(renderMigrationPlan(plan, style));
    await stdout.flush();
    const result = await migrate(request);
    await progress.clear();
    await stdout.write(
      options.json ? toJson(migrationJson(plan, result, to)) + "\n" : renderMigrated(result, to, style),
    );
    return ExitCode.DONE;
  } catch (error) {
    await progress.clear();
    throw explained(error, signals.drain, to);
  } finally {
    signals.release();
  }
}

function refused(state: string, obstacles: readonly MigrationObstacle[]): CommandError {
  return new CommandError(`Cannot migrate; ${state}:\n${renderObstacles(obstacles)}`);
}

function explained(error: unknown, signal: AbortSignal, to: string): unknown {
  const again = `Run the same command again: it goes on where it was. What is copied already lies in ${
    shellWord(to)
  }.`;
  if (signal.aborted) {
    return new CommandError(
      "Interrupted. Every log is whole at its old place or at the new one.",
      ExitCode.INTERRUPTED,
      again,
    );
  }
  if (error instanceof CommandError || error instanceof UsageError) return error;
  if (error instanceof MigrationError) {
    return refused("every log is whole at its old place or at the new one", error.obstacles);
  }
  if (error instanceof CopyConflictError) {
    return new CommandError(error.message, ExitCode.FAILED, again, { cause: error });
  }
  const why = isNoSpaceError(error) ? "no space left at the new place" : (error as Error).message;
  return new CommandError(
    `Cannot migrate: ${why}. Every log is whole at its old place or at the new one.`,
    ExitCode.FAILED,
    again,
    { cause: error },
  );
}

function absolute({ workingDirectory }: Context, path: string): string {
  const from = path.startsWith("/") ? path : `${workingDirectory()}/${path}`;
  // Dots and doubled slashes go; links stay, because they are what may have to be replaced.
  return decodeURIComponent(
    new URL(`file://${encodeURI(from).replaceAll("#", "%23").replaceAll("?", "%3F")}`).pathname,
  )
    .replace(/(?<=.)\/+$/, "");
}

function migrationJson(plan: MigrationPlan, result: MigrationResult | undefined, to: string) {
  return {
    schema_version: 1,
    dry_run: result === undefined,
    to,
    directories: plan.directories.map(({ name, source, target, where, files, bytes }) => ({
      name,
      from: source,
      to: target,
      state: where,
      files,
      bytes,
      linked: result?.linked.includes(name) ?? false,
      waits_for_setting: result?.waiting.includes(name) ?? false,
    })),
    free_bytes: plan.freeBytes,
    obstacles: plan.obstacles,
    copied_files: result?.copiedFiles ?? 0,
    removed_files: result?.removedFiles ?? 0,
    removed_bytes: result?.removedBytes ?? 0,
  };
}
