import assert from "node:assert/strict";
import { FileLock } from "../file_lock.ts";
import { LineFile } from "./file.ts";

class Place implements Disposable {
  readonly directory = Deno.makeTempDirSync({ prefix: "airunner-log-" });
  readonly path = `${this.directory}/logs/worker.log`;
  readonly #files: LineFile[] = [];

  open(bytesMax = 1000, countMax = 3): LineFile {
    const file = new LineFile({ path: this.path, bytesMax, countMax });
    this.#files.push(file);
    return file;
  }

  /** Every file's text, the oldest first. */
  texts(): string[] {
    const names = [...Deno.readDirSync(`${this.directory}/logs`)].map(({ name }) => name);
    const numberOf = (name: string) => Number(name.slice("worker.log.".length) || 0);
    names.sort((a, b) => numberOf(b) - numberOf(a));
    return names.map((name) => Deno.readTextFileSync(`${this.directory}/logs/${name}`));
  }

  [Symbol.dispose](): void {
    for (const file of this.#files) file.close();
    Deno.removeSync(this.directory, { recursive: true });
  }
}

Deno.test("log file is made with its directory, for its owner alone, at the first line", () => {
  using place = new Place();
  const file = place.open();
  assert.deepEqual([...Deno.readDirSync(place.directory)], []);
  file.append("hello");
  assert.deepEqual(place.texts(), ["hello\n"]);
  assert.equal(Deno.statSync(place.path).mode! & 0o777, 0o600);
  assert.equal(Deno.statSync(`${place.directory}/logs`).mode! & 0o777, 0o700);
});

Deno.test("log file rotates before a line that would make it too long, and keeps so many files", () => {
  using place = new Place();
  const file = place.open(20, 3);
  for (
    const line of ["1 aaaaaaa", "2 aaaaaaa", "3 bbbbbbb", "4 b", "5 cccccccccccccccccccccccccccc", "6 d"]
  ) {
    file.append(line);
  }
  assert.deepEqual(place.texts(), ["3 bbbbbbb\n4 b\n", "5 cccccccccccccccccccccccccccc\n", "6 d\n"]);
});

Deno.test("log file removes what an earlier, larger count has kept", () => {
  using place = new Place();
  const many = place.open(10, 5);
  for (let i = 0; i < 5; i++) many.append(`line ${i}`);
  assert.equal(place.texts().length, 5);
  place.open(10, 2).append("line 5");
  assert.deepEqual(place.texts(), ["line 4\n", "line 5\n"]);
});

Deno.test("log file that another process rotates, moves or removes is left for the one under its name", () => {
  using place = new Place();
  const [one, other] = [place.open(20, 5), place.open(20, 5)];
  one.append("one 1");
  other.append("other 1");
  one.append("one 2 rotates");
  other.append("other 2");
  one.append("one 3");
  assert.deepEqual(place.texts(), ["one 1\nother 1\n", "one 2 rotates\n", "other 2\none 3\n"]);
  Deno.removeSync(place.path);
  other.append("other 3");
  assert.equal(Deno.readTextFileSync(place.path), "other 3\n");
});

Deno.test("log file that somebody else is rotating takes lines beyond its size meanwhile", () => {
  using place = new Place();
  const file = place.open(10, 3);
  file.append("line 1");
  const lock = FileLock.acquire(place.path, { create: false });
  file.append("line 2");
  lock.release();
  file.append("line 3");
  assert.deepEqual(place.texts(), ["line 1\nline 2\n", "line 3\n"]);
});

Deno.test("log file begins a new line behind one that a killed process left torn", () => {
  using place = new Place();
  place.open().append("whole");
  Deno.writeTextFileSync(place.path, "to", { append: true });
  const file = place.open();
  file.append("next");
  file.append("and next");
  assert.deepEqual(place.texts(), ["whole\nto\nnext\nand next\n"]);
});

Deno.test("log file is written through a link to its directory, which survives rotation", () => {
  using place = new Place();
  const elsewhere = `${place.directory}/elsewhere`;
  Deno.mkdirSync(elsewhere);
  Deno.symlinkSync(elsewhere, `${place.directory}/logs`);
  const file = place.open(10, 2);
  file.append("line 1");
  file.append("line 2");
  assert.ok(Deno.lstatSync(`${place.directory}/logs`).isSymlink);
  assert.deepEqual([...Deno.readDirSync(elsewhere)].map(({ name }) => name).sort(), [
    "worker.log",
    "worker.log.1",
  ]);
});

Deno.test("log file refuses what is no regular file, and starts anew when that is gone", async () => {
  using place = new Place();
  Deno.mkdirSync(`${place.directory}/logs`);
  const file = place.open();
  const made = await new Deno.Command("mkfifo", { args: [place.path] }).output();
  assert.ok(made.success);
  // It would wait here for ever if it opened the pipe.
  assert.throws(() => file.append("lost"), /not a regular file/);
  Deno.removeSync(place.path);
  Deno.symlinkSync("/dev/null", place.path);
  assert.throws(() => file.append("lost"), /not a regular file/);
  Deno.removeSync(place.path);
  file.append("written");
  assert.deepEqual(place.texts(), ["written\n"]);
});

Deno.test("log file says why its directory cannot be made", () => {
  using place = new Place();
  Deno.writeTextFileSync(`${place.directory}/logs`, "in the way");
  assert.throws(() => place.open().append("lost"), Deno.errors.NotADirectory);
  Deno.removeSync(`${place.directory}/logs`);
  Deno.symlinkSync("nowhere", `${place.directory}/logs`);
  assert.throws(() => place.open().append("lost"), Deno.errors.NotFound);
});

Deno.test("log file needs two files to rotate between", () => {
  assert.throws(() => new LineFile({ path: "x", bytesMax: 10, countMax: 1 }), RangeError);
});

/** Appends `LINES` numbered lines under a name of its own. */
const WRITER = `
  import { LineFile } from ${JSON.stringify(new URL("./file.ts", import.meta.url).href)};
  const [path, name, lines] = Deno.args;
  const file = new LineFile({ path, bytesMax: 2000, countMax: 1000 });
  for (let i = 0; i < Number(lines); i++) file.append(name + " " + i + " " + "x".repeat(i % 50));
`;

Deno.test("processes that append to one log file and rotate it at the same time lose and mix no line", async () => {
  using place = new Place();
  const script = `${place.directory}/writer.ts`;
  Deno.writeTextFileSync(script, WRITER);
  const names = ["a", "b", "c"];
  const lines = 2000;
  const results = await Promise.all(names.map((name) =>
    new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-config", script, place.path, name, String(lines)],
      stdout: "inherit",
      stderr: "inherit",
    }).output()
  ));
  for (const { success } of results) assert.ok(success);
  const texts = place.texts();
  assert.ok(texts.length > 50);
  // Each was full when it was rotated, and so by one of the processes alone.
  for (const text of texts.slice(0, -1)) {
    assert.ok(text.length > 1900, `a file of ${text.length} bytes was rotated`);
  }
  const found = texts.join("").split("\n");
  for (const name of names) {
    const expected = Array.from({ length: lines }, (_, i) => `${name} ${i} ${"x".repeat(i % 50)}`);
    assert.deepEqual(found.filter((line) => line.startsWith(name)).sort(), expected.sort());
  }
  assert.equal(found.length, names.length * lines + 1);
});

Deno.test("a process that is killed loses no line that it has written", async () => {
  using place = new Place();
  const script = `${place.directory}/writer.ts`;
  Deno.writeTextFileSync(
    script,
    WRITER + `Deno.kill(Deno.pid, "SIGKILL"); file.append("never");`,
  );
  const { signal } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-config", script, place.path, "k", "100"],
    stderr: "inherit",
  }).output();
  assert.equal(signal, "SIGKILL");
  assert.match(place.texts().join(""), /k 99 x+\n$/);
});
