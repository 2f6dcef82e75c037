import { testFilesContract } from "../../tests/support/files_contract.ts";
import { MemoryFiles } from "../../tests/support/memory_files.ts";
import { systemFiles } from "./system_files.ts";

testFilesContract("the real disk", async (body) => {
  const directory = Deno.realPathSync(Deno.makeTempDirSync());
  try {
    await body({ files: systemFiles, directory });
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});

testFilesContract("the disk in memory", async (body) => {
  const files = new MemoryFiles();
  files.putDirectory("/place");
  await body({ files, directory: "/place" });
});
