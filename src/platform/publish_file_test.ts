import assert from "node:assert/strict";
import { inputOutputError, noSpaceError } from "../../tests/support/disk_errors.ts";
import { type Faults, MemoryFiles } from "../../tests/support/memory_files.ts";
import { writeAll } from "./files.ts";
import { hiddenName, nameToBe, type Occupant, type Publication, publishFile } from "./publish_file.ts";
import { AlreadyExists } from "./system_errors.ts";
import { systemFiles } from "./system_files.ts";

const BYTES = new Uint8Array(9000).fill(7);

function newDisk(): MemoryFiles {
  const files = new MemoryFiles();
  files.putDirectory("/d");
  return files;
}

function publication(files: MemoryFiles, more: Partial<Publication> = {}): Publication {
  return { files, directory: "/d", names: ["a", "b"], write: (file) => writeAll(file, BYTES), ...more };
}

async function publish(files: MemoryFiles, more: Partial<Publication> = {}) {
  const published = await publishFile(publication(files, more));
  if (published.isNew) published.file.close();
  return published;
}

Deno.test("a published file survives a power cut, whole and under its name alone", async () => {
  const files = newDisk();
  assert.equal((await publish(files)).path, "/d/a");
  const found = files.crash(() => false);
  assert.deepEqual(found.paths(), ["/d/a"]);
  assert.deepEqual(found.content("/d/a"), BYTES);
});

Deno.test("after a power cut at any call the name leads to the whole file or to none", async () => {
  let cuts = 0;
  for (let callAt = 0;; callAt++) {
    for (const keep of [false, true]) {
      const files = newDisk();
      let calls = 0;
      let found: MemoryFiles | undefined;
      const call = () => {
        if (calls++ === callAt) found = files.crash(() => keep);
      };
      files.faults = {
        write: (_path, bytes) => (call(), Math.min(bytes, 4096)),
        sync: call,
        link: call,
      };
      await publish(files);
      if (found === undefined) {
        assert.ok(cuts >= 10, `${cuts} cuts`);
        return;
      }
      cuts++;
      for (const path of found.paths()) {
        if (path === "/d/a") assert.deepEqual(found.content(path), BYTES);
        else assert.equal(nameToBe(path.slice(3)), "a", path);
      }
    }
  }
});

Deno.test("whatever fails, no file and no hidden name is left, and the error is the first one", async () => {
  const fail = (error: Error) => () => {
    throw error;
  };
  for (
    const faults of [
      { write: fail(noSpaceError()) },
      { sync: fail(inputOutputError()) },
      { link: fail(inputOutputError()) },
    ] as Faults[]
  ) {
    const files = newDisk();
    files.faults = faults;
    await assert.rejects(publish(files), /os error (5|28)/);
    assert.deepEqual(files.paths(), []);
  }
  const files = newDisk();
  await assert.rejects(
    publish(files, { check: () => Promise.reject(new Error("not the same")) }),
    /not the same/,
  );
  assert.deepEqual(files.paths(), []);
});

Deno.test("no file is ever replaced: the first free name is taken, written once, or what is there is enough", async () => {
  const files = newDisk();
  files.put("/d/a", new Uint8Array(3));
  let writes = 0;
  const write: Publication["write"] = (file) => (writes++, writeAll(file, BYTES));
  assert.equal((await publish(files, { write })).path, "/d/b");
  await assert.rejects(publish(files, { write }), AlreadyExists);
  assert.equal(writes, 2);
  const look = (path: string): Promise<Occupant> => Promise.resolve(path === "/d/b" ? "same" : "different");
  assert.deepEqual(await publish(files, { write, look }), { isNew: false, path: "/d/b" });
  assert.equal(writes, 2, "nothing has to be written then");
  assert.deepEqual(files.content("/d/a"), new Uint8Array(3));
  assert.deepEqual(files.paths(), ["/d/a", "/d/b"]);
});

Deno.test("a name that is taken between looking and linking is passed over", async () => {
  const files = newDisk();
  files.faults.link = (path) => {
    if (path === "/d/a") files.put("/d/a", new Uint8Array(1));
  };
  const looked: string[] = [];
  const look = (path: string): Promise<Occupant> => {
    const isFirst = !looked.includes(path);
    looked.push(path);
    return Promise.resolve(isFirst ? "nothing" : "different");
  };
  assert.equal((await publish(files, { look })).path, "/d/b");
  assert.deepEqual(looked, ["/d/a", "/d/a", "/d/b"]);
});

Deno.test("a hidden name that cannot be removed is told, and the file is published all the same", async () => {
  const files = newDisk();
  const remove = files.remove.bind(files);
  files.remove = () => Promise.reject(inputOutputError());
  const left: string[] = [];
  const { path } = await publish(files, { onLeftover: (path) => void left.push(path) });
  assert.equal(path, "/d/a");
  assert.deepEqual(left, files.paths().filter((path) => path !== "/d/a"));
  files.remove = remove;
});

Deno.test("names that are hidden or lead elsewhere are refused", async () => {
  for (const name of ["", ".a", "a/b", "/a"]) {
    await assert.rejects(publish(newDisk(), { names: [name] }), RangeError);
  }
  assert.equal(nameToBe(hiddenName("a.wal", systemFiles)), "a.wal");
  for (const name of ["a", ".a", ".a.tmp-1", hiddenName("a", systemFiles).slice(1)]) {
    assert.equal(nameToBe(name), undefined);
  }
});
