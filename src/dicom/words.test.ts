import { describe, expect, it } from "vitest";
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
