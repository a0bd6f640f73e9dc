import { expect, test } from "vitest";
import { gainFor } from "./gain.js";

const region = { row: -2, col: 2, side: 12, size: 128 };

/** 10 x 20 pixels of one grey value, and a bright column outside the region. */
function source(grey: number) {
  const data = new Uint8Array(200).fill(grey);
  for (let r = 0; r < 10; r++) data[r * 20 + 19] = 255;
  return { count: 3, rows: 10, cols: 20, identity: "flat", plane: () => ({ data, rows: 10, cols: 20 }) };
}
const prompts = new Map([[1, new Uint8Array(200).fill(255)]]);

test("a region that is bright enough is left as it is", () => {
  for (const grey of [110, 180, 255]) expect(gainFor(source(grey), region, prompts)).toBe(1);
});

test("a dim region is brightened by a power of the square root of two, whatever lies outside it", () => {
  expect(gainFor(source(60), region, prompts)).toBeCloseTo(2 ** 1.5, 10);
  expect(60 * gainFor(source(60), region, prompts)).toBeLessThanOrEqual(200);
  expect(gainFor(source(99), region, prompts)).toBe(2);
});

test("never more than eight times, and nothing for a black region or for walls alone", () => {
  expect(gainFor(source(3), region, prompts)).toBe(8);
  expect(gainFor(source(0), region, prompts)).toBe(1);
  expect(gainFor(source(30), region, new Map([[1, null]]))).toBe(1);
});
