/**
 * CRC-64/NVME as a WebAssembly program, written out byte by byte: it is one function, and an assembler in the
 * build would be more to trust than these lines. `crc64_machine.ts` runs it. Pure.
 *
 *     (func $run (param $low $high $at $end i32))   register and stretch in, register out to REGISTER_AT
 *
 * How it is fast: three words of eight bytes are taken at a time, each into a register of its own
 * ("braiding", as in zlib), so that none waits for the others; at the end of the stretch the three become one
 * again. A word is looked up byte by byte in eight tables. What limits it is the number of instructions, four
 * a byte; four registers are no faster, one alone takes a third more time.
 */

/** Where in the memory the finished register lies, low half first. */
export const REGISTER_AT = 0;
/** Eight tables of 256 entries of eight bytes: what a byte becomes when 0 to 7 zero bytes follow. */
export const NEAR_TABLES_AT = 2048;
/** The same when 16 to 23 zero bytes follow: those of the other two words. */
export const FAR_TABLES_AT = NEAR_TABLES_AT + 8 * 2048;
export const TABLES_END = FAR_TABLES_AT + 8 * 2048;
/** Zero bytes that follow the last byte of a word that one register takes. */
export const FAR_DISTANCE = 16;

const BRAIDS = 3;
const STEP_BYTES = 8 * BRAIDS;

const I32 = 0x7f;
const I64 = 0x7e;
const VOID = 0x40;
const END = 0x0b;
const SELF = { memory: "memory", run: "run" } as const;

/** Parameters and variables of the function, by their numbers. */
const LOW = 0;
const HIGH = 1;
const AT = 2;
const STOP = 3;
const REGISTERS = [4, 5, 6];
const WORDS = [7, 8, 9];
const LAST = 9;

type Code = number[];

/** An unsigned number of any size, seven bits a byte, as the format has them. */
function unsigned(value: number): Code {
  return value < 128 ? [value] : [value & 127 | 128, ...unsigned(value >>> 7)];
}

function signed(value: number): Code {
  return value >= -64 && value < 64 ? [value & 127] : [value & 127 | 128, ...signed(value >> 7)];
}

const get = (local: number): Code => [0x20, local];
const set = (local: number, value: Code): Code => [...value, 0x21, local];
const i32 = (value: number): Code => [0x41, ...signed(value)];
const i64 = (value: number): Code => [0x42, ...signed(value)];
const or64 = (a: Code, b: Code): Code => [...a, ...b, 0x84];
const xor64 = (a: Code, b: Code): Code => [...a, ...b, 0x85];
const and32 = (a: Code, b: Code): Code => [...a, ...b, 0x71];
const xor32 = (a: Code, b: Code): Code => [...a, ...b, 0x73];
const shiftLeft32 = (a: Code, bits: number): Code => [...a, ...i32(bits), 0x74];
const shiftRight32 = (a: Code, bits: number): Code => [...a, ...i32(bits), 0x76];
const shiftLeft64 = (a: Code, bits: number): Code => [...a, ...i64(bits), 0x86];
const shiftRight64 = (a: Code, bits: number): Code => [...a, ...i64(bits), 0x88];
const lowHalf = (a: Code): Code => [...a, 0xa7];
const widened = (a: Code): Code => [...a, 0xad];
/** Loads take the address from the code, plus an offset; no alignment is promised. */
const load64 = (address: Code, offset: number): Code => [...address, 0x29, 0, ...unsigned(offset)];
const loadByte = (address: Code): Code => [...address, 0x2d, 0, 0];
const store64 = (address: number, value: Code): Code => [...i32(address), ...value, 0x37, 0, 0];
const advance = (bytes: number): Code => set(AT, [...get(AT), ...i32(bytes), 0x6a]);
/** Runs `body` as long as at least `bytes` are left. */
const whileLeft = (bytes: number, body: Code): Code => [
  ...[0x02, VOID, 0x03, VOID],
  ...[...get(STOP), ...get(AT), 0x6b, ...i32(bytes), 0x48, 0x0d, 1],
  ...body,
  ...[0x0c, 0, END, END],
];

/** What the eight bytes of a word become, from the tables at `tablesAt`. */
function lookUp(word: number, tablesAt: number): Code {
  const halves = [
    set(LOW, lowHalf(get(word))),
    set(HIGH, lowHalf(shiftRight64(get(word), 32))),
  ].flat();
  const entries = Array.from({ length: 8 }, (_, i) => {
    const half = get(i < 4 ? LOW : HIGH);
    const bit = 8 * (i % 4);
    // An entry takes eight bytes, so three bits less are shifted out, or more in.
    const place = bit === 0
      ? shiftLeft32(and32(half, i32(255)), 3)
      : bit === 24
      ? shiftLeft32(shiftRight32(half, 24), 3)
      : and32(shiftRight32(half, bit - 3), i32(255 << 3));
    // The first byte of a word is followed by the seven others.
    return load64(place, tablesAt + 2048 * (7 - i));
  });
  return [...halves, ...entries.reduce(xor64)];
}

function runBody(): Code {
  const first = REGISTERS[0];
  const word = WORDS[0];
  const braids = Array.from({ length: BRAIDS }, (_, i) => i);
  const manyWords = [
    ...braids.flatMap((i) => set(WORDS[i], xor64(get(REGISTERS[i]), load64(get(AT), 8 * i)))),
    ...braids.flatMap((i) => set(REGISTERS[i], lookUp(WORDS[i], FAR_TABLES_AT))),
    ...advance(STEP_BYTES),
  ];
  // Each register joins in where its next word lies; the first one starts alone and takes the others in.
  const join = [
    ...set(word, xor64(get(first), load64(get(AT), 0))),
    ...set(first, lookUp(word, NEAR_TABLES_AT)),
    ...braids.slice(1).flatMap((i) => [
      ...set(word, xor64(xor64(get(first), get(REGISTERS[i])), load64(get(AT), 8 * i))),
      ...set(first, lookUp(word, NEAR_TABLES_AT)),
    ]),
    ...advance(STEP_BYTES),
  ];
  const oneWord = [
    ...set(word, xor64(get(first), load64(get(AT), 0))),
    ...set(first, lookUp(word, NEAR_TABLES_AT)),
    ...advance(8),
  ];
  const entry = shiftLeft32(and32(xor32(lowHalf(get(first)), loadByte(get(AT))), i32(255)), 3);
  const oneByte = [
    ...set(first, xor64(shiftRight64(get(first), 8), load64(entry, NEAR_TABLES_AT))),
    ...advance(1),
  ];
  return [
    ...set(first, or64(widened(get(LOW)), shiftLeft64(widened(get(HIGH)), 32))),
    // The others begin as zeros. The last step is left for them to join in.
    ...whileLeft(2 * STEP_BYTES, manyWords),
    ...[...get(STOP), ...get(AT), 0x6b, ...i32(STEP_BYTES), 0x4e, 0x04, VOID, ...join, END],
    ...whileLeft(8, oneWord),
    ...whileLeft(1, oneByte),
    ...store64(REGISTER_AT, get(first)),
  ];
}

function vector(items: readonly Code[]): Code {
  return [...unsigned(items.length), ...items.flat()];
}

function text(value: string): Code {
  return vector([...value].map((letter) => [letter.charCodeAt(0)]));
}

function section(id: number, items: readonly Code[]): Code {
  const content = vector(items);
  return [id, ...unsigned(content.length), ...content];
}

/** The module. It imports `self.memory`, of at least `pages` pages of 64 KiB, and exports `run`. */
export function crc64Program(pages: number): Uint8Array<ArrayBuffer> {
  const locals = vector([[LAST - STOP, I64]]);
  const body = [...locals, ...runBody(), END];
  return new Uint8Array([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [[0x60, ...vector([[I32], [I32], [I32], [I32]]), ...vector([])]]),
    // Both limits: the memory never moves.
    ...section(2, [[...text("self"), ...text(SELF.memory), 0x02, 1, ...unsigned(pages), ...unsigned(pages)]]),
    ...section(3, [[0]]),
    ...section(7, [[...text(SELF.run), 0x00, 0]]),
    ...section(10, [[...unsigned(body.length), ...body]]),
  ]);
}
