/** Seeded damage to bytes: what broken programs, broken lines and unkind people make of a good input. */

export type Random = () => number;

const below = (random: Random, n: number) => Math.floor(random() * n);
const pick = <T>(random: Random, from: readonly T[]): T => from[below(random, from.length)];

/** Numbers that break things, as text. */
const words = [
  "0", "-1", "1", "255", "256", "32767", "-32768", "65536", "2147483647", "-2147483649", "4294967296", "9007199254740993", "1e308", "-1e309", "1e-320", "NaN", "nan", "Infinity",
  "null", "true", "[]", "{}", '""', "none", "../../etc/passwd", "\0", "\r\n", "\n\n", "\u00ff\u00fe", "%s%n", "__proto__", "constructor", "(", ")", ",", ":=", ":", "=", ";", "--", '"', "\\", "\\ud800", "\u{1f600}",
];
const ints = [0, 1, -1, 2, 3, 7, 8, 127, 128, 255, 256, 32767, 32768, 65535, 65536, 0x7fffffff, -0x80000000, 348, 540];
const floats = [0, -0, 1, -1, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1e-40, 3e38, -3e38, 352, 1e9, 1e15];

type Damage = (bytes: Buffer, random: Random, head: number) => Buffer;

/** A place, more often in the first `head` bytes, where the headers are. */
const place = (bytes: Buffer, random: Random, head: number) => below(random, Math.max(1, random() < 0.8 ? Math.min(bytes.length, head) : bytes.length));

function replace(bytes: Buffer, at: number, length: number, by: Buffer): Buffer {
  return Buffer.concat([bytes.subarray(0, at), by, bytes.subarray(at + length)]);
}

const damages: Damage[] = [
  (bytes, random, head) => {
    const at = place(bytes, random, head);
    if (at < bytes.length) bytes[at] ^= 1 << below(random, 8);
    return bytes;
  },
  (bytes, random, head) => {
    const at = place(bytes, random, head);
    if (at < bytes.length) bytes[at] = below(random, 256);
    return bytes;
  },
  (bytes, random, head) => {
    const at = place(bytes, random, head) & ~1;
    const value = pick(random, ints);
    if (at + 4 > bytes.length) return bytes;
    if (random() < 0.5) bytes.writeInt16LE((value << 16) >> 16, at);
    else bytes.writeInt32LE(value | 0, at);
    return bytes;
  },
  (bytes, random, head) => {
    const at = place(bytes, random, head) & ~3;
    if (at + 4 <= bytes.length) bytes.writeFloatLE(pick(random, floats), at);
    return bytes;
  },
  (bytes, random) => bytes.subarray(0, below(random, bytes.length + 1)),
  (bytes, random, head) => replace(bytes, place(bytes, random, head), below(random, 40), Buffer.alloc(0)),
  (bytes, random, head) => replace(bytes, place(bytes, random, head), 0, Buffer.alloc(below(random, 200), below(random, 256))),
  (bytes, random, head) => replace(bytes, place(bytes, random, head), below(random, 6), Buffer.from(pick(random, words))),
  (bytes, random, head) => {
    const from = place(bytes, random, head);
    const part = bytes.subarray(from, from + below(random, 100));
    return replace(bytes, place(bytes, random, head), 0, Buffer.concat(Array<Buffer>(1 + below(random, 4)).fill(part)));
  },
  (bytes, random) => {
    // A number of a text header or of JSON becomes another.
    const found = [...bytes.toString("latin1", 0, 4000).matchAll(/-?\d+(\.\d+)?/g)];
    if (found.length === 0) return bytes;
    const { index, 0: number } = pick(random, found);
    return replace(bytes, index, number.length, Buffer.from(pick(random, words), "latin1"));
  },
  (bytes, random) => {
    // A line is left out, doubled or moved.
    const lines = bytes.toString("latin1").split("\n");
    const at = below(random, Math.min(lines.length, 40));
    const [line] = lines.splice(at, random() < 0.5 ? 1 : 0);
    lines.splice(below(random, Math.min(lines.length + 1, 40)), 0, line ?? lines[at] ?? "");
    return Buffer.from(lines.join("\n"), "latin1");
  },
];

/** A copy with one to six hits. `head`: how many bytes at the beginning are the interesting ones. */
export function mutate(good: Buffer, random: Random, head = 400): Buffer {
  let bytes: Buffer = Buffer.from(good);
  for (let hits = 1 + below(random, random() < 0.7 ? 2 : 6); hits > 0; hits--) bytes = pick(random, damages)(bytes, random, head);
  return bytes;
}

/** JSON that is valid but of any shape: a value of `good` replaced by another, keys added, lists nested or long. */
export function mutateJson(good: unknown, random: Random): unknown {
  const odd = () => pick<unknown>(random, [
    null, true, false, 0, -1, 1.5, 1e308, 2 ** 53, "", "x", "\u0000", "\ud800", "x".repeat(below(random, 3000)), [], {}, [[]], [null], [[1, 2, 3]], [[1, 2, 3, 4]], [[1e9, 0, 0]], [["1", "2", "3"]], [1, 2, 3],
    [[0, 0, 0], [0, 0, 0]], Array.from({ length: below(random, 3000) }, () => [0, 0, 0]), { "": {} }, "../../x", ".nii.gz", ".exe", "uint8", "auto", JSON.parse('{"__proto__":{"x":1}}'),
  ]);
  const walk = (value: unknown): unknown => {
    if (random() < 0.15) return odd();
    if (Array.isArray(value)) return value.map(walk);
    if (typeof value !== "object" || value === null) return value;
    const entries = Object.entries(value).filter(() => random() < 0.95).map(([key, inner]) => [random() < 0.05 ? String(odd()) : key, walk(inner)]);
    if (random() < 0.2) entries.push([pick(random, ["axis", "slice", "window", "label", "reset_state", "roi", "points", "__proto__", "model", "image", "toString"]), odd()]);
    return Object.fromEntries(entries);
  };
  return walk(good);
}
