/**
 * Every log of the data directory, looked at with a line on the terminal that says how far it has come.
 */
import { type Inventory, takeInventory } from "../../../survey/inventory.ts";
import type { Directories } from "../../../survey/locate.ts";
import type { Context } from "../../context.ts";
import { filesLine, Progress } from "../../../screens/progress.ts";

export async function takeInventoryVisibly(
  context: Pick<Context, "files" | "stderr" | "clock">,
  settings: Directories & { readonly dataDir: string },
): Promise<Inventory> {
  const progress = new Progress(context);
  const onProgress = (done: number, total: number) => progress.show(() => filesLine(done, total));
  const inventory = await takeInventory(context, settings, onProgress);
  await progress.clear();
  return inventory;
}
