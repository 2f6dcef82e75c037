import assert from "node:assert/strict";
import { judgeInodes, judgeKind, judgeSpace, judgeSync, worstOf } from "./disk_checks.ts";
import { fileSystemKind } from "./file_system_kind.ts";
import { ok, problem, warning } from "./finding.ts";
import { commandsOf, DISK } from "../../tests/support/healthy_probe.ts";

const CURE = ["airunner cure", "cures"] as const;
const place = (facts: Partial<typeof DISK>) => ({ what: "logs", facts: { ...DISK, ...facts } });

Deno.test("file systems on which a log is not safe are named with the reason", () => {
  for (const kind of ["ext4", "xfs", "btrfs", "0x1234"]) {
    assert.equal(judgeKind(place({ kind }), CURE).level, "ok", kind);
  }
  const doubtful: [kind: string, reason: RegExp][] = [
    ["nfs", /network/],
    ["cifs", /network/],
    ["smb2", /network/],
    ["fuse", /another program/],
    ["tmpfs", /memory: .* gone when this machine restarts/],
    ["ramfs", /memory/],
    ["overlay", /container/],
  ];
  for (const [kind, reason] of doubtful) {
    const finding = judgeKind(place({ kind }), CURE);
    assert.equal(finding.level, "warning", kind);
    assert.match(finding.found, reason);
    assert.deepEqual(finding.cures, [CURE]);
  }
});

Deno.test("the kind of a file system is told by the number that the kernel gives, with a sign or without", () => {
  assert.equal(fileSystemKind(0xef53), "ext4");
  assert.equal(fileSystemKind(0x01021994), "tmpfs");
  assert.equal(fileSystemKind(0xff534d42 | 0), "cifs");
  assert.equal(fileSystemKind(0xabc), "0xabc");
});

Deno.test("free space is a problem where the worker pauses jobs, and a warning where nine tenths are used", () => {
  const levels = (freeBytes: number, totalBytes: number) =>
    judgeSpace(place({ freeBytes, totalBytes }), 256e6, [CURE]).level;
  assert.equal(levels(50e9, 100e9), "ok");
  assert.equal(levels(10.1e9, 100e9), "ok");
  assert.equal(levels(9.9e9, 100e9), "warning");
  assert.equal(levels(257e6, 100e9), "warning");
  assert.equal(levels(256e6, 100e9), "problem");
  assert.equal(levels(0, 100e9), "problem");
  // On a small disk a twentieth of it has to stay free.
  assert.equal(levels(51e6, 1e9), "warning");
  assert.equal(levels(50e6, 1e9), "problem");
});

Deno.test("few inodes are a warning, none a problem, and file systems without a number of them are fine", () => {
  const levels = (freeInodes: number, totalInodes = 1_000_000) =>
    judgeInodes(place({ freeInodes, totalInodes }), [CURE]).level;
  assert.equal(levels(500_000), "ok");
  assert.equal(levels(999), "warning");
  assert.equal(levels(0), "problem");
  assert.equal(levels(0, 0), "ok");
  assert.equal(levels(100, 1000), "ok", "a small file system is not warned about because it is small");
});

Deno.test("a sync is too slow when its p99 is over ten milliseconds, or when it does not end", () => {
  const times = (slow: number) => ({
    durationsMs: [...Array(99 - slow).fill(1), ...Array(slow + 1).fill(10.5)],
    isHanging: false,
  });
  assert.equal(judgeSync(times(0), [CURE]).level, "ok", "one in a hundred may be slow");
  const slow = judgeSync(times(1), [CURE]);
  assert.equal(slow.level, "warning");
  assert.deepEqual(slow.measured, { samples: 100, p50_ms: 1, p99_ms: 10.5 });
  assert.deepEqual(commandsOf(slow), ["airunner cure"]);
  assert.equal(judgeSync({ durationsMs: [1], isHanging: true }, [CURE]).level, "warning");
  assert.equal(judgeSync({ durationsMs: [], isHanging: true }, [CURE]).level, "warning");
});

Deno.test("of several findings the worst counts, with everything that was found and measured", () => {
  const worst = worstOf([ok("a", { x: 1 }), problem("b", { y: 2 }, CURE), warning("c", { z: 3 }, CURE)]);
  assert.deepEqual(worst, {
    level: "problem",
    found: "a; b; c",
    measured: { x: 1, y: 2, z: 3 },
    cures: [CURE],
  });
});
