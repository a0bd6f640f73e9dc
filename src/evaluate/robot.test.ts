import { describe, expect, it } from "vitest";
import { nextClick } from "./robot.js";

/** "#" = object. */
function slice(...lines: string[]) {
  return { data: Uint8Array.from(lines.join(""), (c) => (c === "#" ? 1 : 0)), rows: lines.length, cols: lines[0].length };
}

describe("nextClick", () => {
  it("clicks the innermost point of an object that nobody has found yet", () => {
    const truth = slice(
      ".......",
      ".#####.",
      ".#####.",
      ".#####.",
      ".#####.",
      ".#####.",
      ".......",
    );
    expect(nextClick(truth, new Uint8Array(49))).toEqual({ row: 3, col: 3, positive: true });
  });

  it("takes the first pixel in row-major order where several are equally deep", () => {
    const truth = slice(".....", ".###.", ".###.", ".###.", ".....", ".###.", ".###.", ".###.");
    expect(nextClick(truth, new Uint8Array(40))).toEqual({ row: 2, col: 2, positive: true });
    const flat = slice("####");
    expect(nextClick(flat, new Uint8Array(4))).toEqual({ row: 0, col: 0, positive: true });
  });

  it("clicks negatively where the surplus is deeper, and where both are equally deep", () => {
    const truth = slice("###.....", "###.....", "###.....", "........");
    const surplus = slice("###.####", "###.####", "###.####", "....####");
    expect(nextClick(truth, surplus.data)).toEqual({ row: 1, col: 5, positive: false });
    const elsewhere = slice("....###.", "....###.", "....###.", "........");
    expect(nextClick(truth, elsewhere.data)).toEqual({ row: 1, col: 5, positive: false });
  });

  it("never clicks a pixel twice", () => {
    const truth = slice("...", "###", "...");
    const empty = new Uint8Array(9);
    expect(nextClick(truth, empty, [{ row: 1, col: 0 }])).toEqual({ row: 1, col: 1, positive: true });
    expect(nextClick(truth, empty, [0, 1, 2].map((col) => ({ row: 1, col })))).toBeNull();
  });

  it("has nothing to say about a perfect mask", () => {
    const truth = slice("##", "..");
    expect(nextClick(truth, truth.data)).toBeNull();
  });
});
