import { describe, expect, it } from "vitest";
import { shiftSamples } from "./shift.js";
import { boundsOf, rangeOfWords, rescaleWords } from "./words.js";

describe("words of 16 bits", () => {
  it("have a smallest and a largest value, and bounds that hold them wherever they begin in their memory", () => {
    const memory = Uint16Array.of(9000, 7, 300, 65, 40_000, 12);
    expect([boundsOf(memory.subarray(1, 4)), boundsOf(memory.subarray(2, 4)), boundsOf(memory)]).toEqual([[0, 511], [0, 511], [0, 65_535]]);
    for (const [value, most] of [[0, 0], [1, 1], [4095, 4095], [0x7fff, 0x7fff], [0x8000, 0xffff]]) {
      for (const place of [0, 1, 2]) expect(boundsOf(Uint16Array.from({ length: 3 }, (_, at) => (at === place ? value : 0)))).toEqual([0, most]);
    }
    for (const [value, low, high] of [[0, 0, 0], [-1, -1, 0], [5, 0, 7], [-9, -16, 0], [-32_768, -32_768, 0], [32_767, 0, 32_767]]) {
      for (const place of [0, 1, 2, 3]) {
        const memory = Int16Array.from({ length: 5 }, (_, at) => (at === place + 1 ? value : 0));
        for (const part of [memory.subarray(1), memory.subarray(0, place + 2), memory.subarray(place + 1)]) expect(boundsOf(part)).toEqual([low, high]);
      }
    }
    expect(boundsOf(Int16Array.of(3, -3, 100, -200, 7))).toEqual([-256, 127]);
    const many = Int16Array.from({ length: 2000 }, (_, at) => ((at * 7919) % 4001) - 1024);
    const [[low, high], [least, most]] = [boundsOf(many), rangeOfWords(many)];
    expect([low <= least, low > 2 * least, high >= most, high < 2 * most + 1]).toEqual([true, true, true, true]);
    expect(boundsOf(new Uint16Array(0))).toEqual([0, 0]);
    expect(rangeOfWords(memory.subarray(1))).toEqual([7, 40_000]);
    expect(rangeOfWords(Int16Array.of(-5, 32_767, 3))).toEqual([-5, 32_767]);
  });

  it("are shifted alike two at a time and one at a time, wherever they begin, whatever is carried", () => {
    const corners = [0, 1, 0x7ffe, 0x7fff, 0x8000, 0x8001, 0xfffe, 0xffff, 1024, 4095, 0x1234];
    const values = corners.flatMap((a) => corners.flatMap((b) => [a, b]));
    for (const type of [Uint16Array, Int16Array]) {
      for (const offset of [0, 1, -1, -1024, 0x7fff, -0x8000, 0x8000, -65_536, 40_000]) {
        for (const [from, to, length] of [[0, 0, values.length], [1, 1, values.length - 1], [0, 1, 7], [1, 0, 8], [2, 4, 9]]) {
          const input = new type(Uint16Array.from(values).buffer).subarray(from, from + length);
          const out = new Int16Array(values.length + 8);
          rescaleWords(out, to, input, 1, offset);
          expect([...out.subarray(to, to + length)]).toEqual([...Int16Array.from(input, (value) => value + offset)]);
          expect([out.subarray(0, to), out.subarray(to + length)].every((rest) => rest.every((value) => value === 0))).toBe(true);
        }
      }
    }
  });

  it("are shifted with a word on whether all of them were samples and fit, and shifted back whatever was carried", () => {
    const corners = [0, 1, -1, 5, 2047, 2048, -2048, -2049, 4095, 4096, 0x7bff, 0x7c00, 0x7fff, -0x7c00, -0x7c01, -0x8000];
    const told = new Set<boolean>();
    for (const type of [Uint16Array, Int16Array]) {
      for (const [bits, offset] of [[16, -1024], [16, 1024], [16, 0], [16, -0x8000], [12, -1024], [12, 0], [12, 1000], [15, 1]]) {
        for (const corner of corners) {
          for (const [from, length, place] of [[0, 8, 0], [0, 8, 3], [1, 8, 7], [0, 7, 6], [1, 7, 2]]) {
            const values = new type(from + length).subarray(from).fill(7);
            values[place] = corner;
            const out = new Int16Array(length);
            const [least, most] = type === Int16Array ? [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1] : [0, 2 ** bits - 1];
            if (type === Uint16Array && bits === 16 && offset >= 0) continue;
            const fits = values.every((value) => value >= least && value <= most && value + offset >= -0x8000 && (bits < 16 || value + offset <= 0x7fff));
            expect([shiftSamples(out, values, offset, bits), type.name, bits, offset, corner, place]).toEqual([fits, type.name, bits, offset, corner, place]);
            told.add(fits);
            expect([...out]).toEqual([...Int16Array.from(values, (value) => value + offset)]);
            const second = new Int16Array(length + 1).subarray(1);
            expect(shiftSamples(second, values, offset, bits)).toBe(fits);
            expect([...second]).toEqual([...out]);
            shiftSamples(out, out, -offset, 16);
            expect([...new Uint16Array(out.buffer)]).toEqual([...Uint16Array.from(values)]);
          }
        }
      }
    }
    expect(told.size).toBe(2);
  });

  it("are rescaled into other memory and into their own", () => {
    const out = new Int16Array(5).fill(1);
    rescaleWords(out, 1, Uint16Array.of(0, 1024, 33_791), 1, -1024);
    expect([...out]).toEqual([1, -1024, 0, 32_767, 1]);
    rescaleWords(out, 0, Int16Array.of(-4, 4), -2, 10);
    expect([...out.subarray(0, 3)]).toEqual([18, 2, 0]);
    const own = Uint16Array.of(5, 2000);
    rescaleWords(new Int16Array(own.buffer), 0, own, 2, -1000);
    expect([...new Int16Array(own.buffer)]).toEqual([-990, 3000]);
  });
});
