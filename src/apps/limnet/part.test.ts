import { describe, expect, it } from "vitest";
import { clickedSlice, intoPart, outOfPart, renumbered } from "./part.js";

const part = { k: 2, shape: [2, 2, 4] as const, geometry: { affine: [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0] as const } };

describe("a slice whose series is still on its way", () => {
  it("is the slice that the request names, else that of the newest click", () => {
    expect(clickedSlice({ foreground: [[1, 1, 3], [1, 1, 2]] })).toBe(2);
    expect(clickedSlice({ foreground: [], background: [[1, 1, 1]] })).toBe(1);
    expect(clickedSlice({ foreground: [[1, 1, 3]], slice: 0 })).toBe(0);
    expect(clickedSlice({ foreground: [[1, 1, 3]], slice: "1", axis: 2 })).toBe(1);
    for (const params of [{}, { foreground: "x" }, { foreground: [[1, 1, 3]], axis: 1 }, { foreground: [[1, 1, 3]], axis: "coronal" }, { foreground: [[1, 1, -3]] }, { foreground: [[0, 0, 1.5]] }]) {
      expect(clickedSlice(params)).toBeNull();
    }
  });

  it("takes its own clicks and gives its mask to the grid of the image", () => {
    expect(intoPart({ positives: [[0, 1, 2], [0, 1, 3]], negatives: [[1, 1, 2]] }, part)).toEqual({ positives: [[0, 1, 0]], negatives: [[1, 1, 0]] });
    expect([...outOfPart(Uint8Array.from([1, 0, 0, 1]), part.shape, part)]).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0]);
  });

  it("is spoken of by its place in the image", () => {
    const json = renumbered({ label_names: ["x"], limnet: { slice: 0, rounds: [{ slice: 0, clicks: 1 }], slices: [{ index: 0, winner: "user" }] } }, part);
    expect(json).toEqual({ label_names: ["x"], limnet: { slice: 2, rounds: [{ slice: 2, clicks: 1 }], slices: [{ index: 2, winner: "user" }], partial: true } });
  });
});
