import { describe, expect, it } from "vitest";
import { trustOf } from "./trust.js";

const [rows, cols] = [40, 50];
const settings = { trust: 0.003, deep: { pixels: 4, most: 6 } };

/** A square mask of so many pixels, from row and column `from`. */
function square(side: number, from = 3): Uint8Array {
  const plane = new Uint8Array(rows * cols).fill(127);
  for (let r = from; r < from + side; r++) plane.fill(128, r * cols + from, r * cols + from + side);
  return plane;
}

describe("how far the walker follows the network", () => {
  it("is as the model says for an object of few pixels, for none, and where the model says nothing of depth", () => {
    expect(trustOf([square(7)], [0], { rows, cols }, settings)).toBe(0.003);
    expect(trustOf([null, new Uint8Array(rows * cols)], [0, 1], { rows, cols }, settings)).toBe(0.003);
    expect(trustOf([square(30)], [0], { rows, cols }, { trust: 0.003 })).toBe(0.003);
  });

  it("grows with the square of the depth up to a limit", () => {
    expect(trustOf([square(15)], [0], { rows, cols }, settings)).toBeCloseTo(0.003 * 4, 12);
    expect(trustOf([square(36)], [0], { rows, cols }, settings)).toBeCloseTo(0.003 * 6, 12);
  });

  it("looks at the mean of the prompts with a mask, and at nothing else", () => {
    const planes = [square(15), square(31), null, square(7)];
    expect(trustOf(planes, [0, 2, 3], { rows, cols }, settings)).toBeCloseTo(0.003 * (6 / 4) ** 2, 12);
  });

  it("counts the border of the slice as outside", () => {
    expect(trustOf([square(15, 0)], [0], { rows, cols }, settings)).toBeCloseTo(0.003 * 4, 12);
    expect(trustOf([new Uint8Array(rows * cols).fill(255)], [0], { rows, cols }, settings)).toBeCloseTo(0.003 * 6, 12);
  });
});
