import { describe, expect, it } from "vitest";
import { keepLocal } from "./local.js";

const plane = (...lines: string[]) => ({
  data: Float32Array.from(lines.join(""), (c) => (c === "#" ? 0.9 : 0.2)), rows: lines.length, cols: lines[0].length,
});
const drawn = ({ data, cols }: { data: Float32Array; cols: number }) =>
  Array.from({ length: data.length / cols }, (_, r) => [...data.subarray(r * cols, (r + 1) * cols)].map((p) => (p >= 0.5 ? "#" : ".")).join(""));

describe("late clicks change their own place", () => {
  const before = plane("###...", "###...", "......");

  it("takes the changed part that holds the click, corners included, and leaves the rest of the mask", () => {
    const after = plane(".###..", "#####.", ".....#");
    keepLocal(before, after, { row: 0, col: 3, positive: true });
    expect(drawn(after)).toEqual(["####..", "#####.", ".....#"]);
  });

  it("does so for negative clicks", () => {
    const after = plane("##..##", "##....", "......");
    keepLocal(before, after, { row: 1, col: 2, positive: false });
    expect(drawn(after)).toEqual(["##....", "##....", "......"]);
  });

  it("keeps the new probabilities where the side is the same", () => {
    const after = plane("###...", "###..#", "......");
    after.data[0] = 0.7;
    keepLocal(before, after, { row: 2, col: 0, positive: true });
    expect(after.data[0]).toBeCloseTo(0.7);
    expect(drawn(after)).toEqual(["###...", "###...", "......"]);
  });

  it("takes all of the change for a click on a pixel that was on its side already", () => {
    const after = plane("###...", "###..#", "#.....");
    keepLocal(before, after, { row: 0, col: 0, positive: true });
    expect(drawn(after)).toEqual(["###...", "###..#", "#....."]);
  });

  it("counts a click beside the slice as one on its border", () => {
    const after = plane("###..#", "###..#", "#.....");
    keepLocal(before, after, { row: 1, col: 9, positive: true });
    expect(drawn(after)).toEqual(["###..#", "###..#", "......"]);
  });
});
