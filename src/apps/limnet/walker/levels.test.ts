import { describe, expect, it } from "vitest";
import { correctedSlices, levelled, levelsOf, outlinedSlices } from "./levels.js";

describe("the level of a slice", () => {
  const [object, nothing] = [Uint8Array.of(0, 200), Uint8Array.of(0, 90)];
  const levels = { between: 0.45, corrected: 0.4, beyond: 0.47 };

  it("is lower where the next prompts on both sides hold the object, and only there", () => {
    const planes = [object, object, null, object, null, nothing, null, object, null];
    const at = levelsOf(planes, new Set([7, 1, 3, 5]), levels);
    expect([0, 1, 2, 3, 4, 5, 6, 7, 8].map(at)).toEqual([null, null, 0.45, null, null, null, null, null, null]);
  });

  it("is lowest between two prompts that were corrected", () => {
    const planes = [object, null, object, null, object];
    const at = levelsOf(planes, [0, 2, 4], levels, new Set([2, 4]));
    expect([1, 3].map(at)).toEqual([0.45, 0.4]);
  });

  it("is as low between outlines, and the usual one beyond them", () => {
    const at = levelsOf([null, object, null, object, null], [1, 3], levels, new Set([1]), new Set([3]));
    expect([0, 2, 4].map(at)).toEqual([0.47, 0.4, null]);
  });

  it("is lower beyond the last prompt and towards an empty one, where the prompt that is left was corrected", () => {
    const planes = [null, object, null, object, null, nothing, null];
    expect([0, 1, 4, 6].map(levelsOf(planes, [1, 3, 5], levels, new Set([1])))).toEqual([0.47, null, null, null]);
    expect([0, 4, 5, 6].map(levelsOf(planes, [1, 3, 5], levels, new Set([3, 5])))).toEqual([null, 0.47, null, null]);
  });

  it("is the usual one without a prompt that holds the object", () => {
    expect(levelsOf([null, nothing, null], [1], levels, new Set([1]))(2)).toBe(null);
    expect(levelsOf([null, object, null], [], levels)(1)).toBe(null);
  });
});

describe("corrected slices", () => {
  const rounds = [[2, 1], [5, 3], [7, 1], [9, 0], [4, 0], [7, 1], [4, 1]].map(([slice, length]) => ({ slice, clicks: { length } }));

  it("are those with several clicks, in one round or in two", () => {
    expect([...correctedSlices(rounds)].sort()).toEqual([5, 7]);
  });

  it("are none that were drawn: of those a click makes clicked ones", () => {
    expect([...outlinedSlices(rounds)]).toEqual([9]);
  });
});

describe("levelled", () => {
  it("makes a level the border of the mask and leaves what is certain", () => {
    const out = levelled(Uint8Array.of(0, 51, 101, 103, 128, 255), 0.4)!;
    expect([...out]).toEqual([0, 64, 126, 128, 149, 255]);
  });

  it("changes nothing at 0.5, without a level, and where there is nothing", () => {
    const plane = Uint8Array.from({ length: 256 }, (_, p) => p);
    expect(levelled(plane, 0.5)).toEqual(plane);
    expect(levelled(plane, null)).toBe(plane);
    expect(levelled(null, 0.4)).toBe(null);
  });
});
