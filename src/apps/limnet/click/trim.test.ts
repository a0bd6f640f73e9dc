import { expect, test } from "vitest";
import { trimmed } from "./trim.js";

/** 20 x 30 pixels, a mask of rows 5 to 14 and columns 4 to 23. */
const plane = () => {
  const data = new Float32Array(600);
  for (let r = 5; r < 15; r++) data.fill(0.9, r * 30 + 4, r * 30 + 24);
  return { data, rows: 20, cols: 30 };
};
const click = (row: number, col: number, positive = false) => ({ row, col, positive });

test("a negative click to one side takes that side and leaves the other", () => {
  const left = trimmed(plane(), click(9, 6))!;
  expect(left.data[9 * 30 + 6]).toBe(0);
  expect(left.data[9 * 30 + 5]).toBe(0);
  expect(left.data[9 * 30 + 18]).toBeCloseTo(0.9);
});

test("a negative click in the middle of the mask says that nothing is there", () => {
  expect(trimmed(plane(), click(9, 13))).toBeNull();
  expect(trimmed(plane(), click(10, 10))).toBeNull();
});

test("clicks beside the mask, positive clicks and empty slices leave it to the network", () => {
  expect(trimmed(plane(), click(1, 1))).toBeNull();
  expect(trimmed(plane(), click(9, 6, true))).toBeNull();
  expect(trimmed({ data: new Float32Array(600), rows: 20, cols: 30 }, click(9, 6))).toBeNull();
});

test("the mask that was given is not written to, and clicks at the border of the slice are on it", () => {
  const given = plane();
  given.data.fill(0.9);
  given.data[599] = 0;
  const left = trimmed(given, click(19.4, 3.2));
  expect(left!.data[19 * 30 + 3]).toBe(0);
  expect(given.data[19 * 30 + 3]).toBeCloseTo(0.9);
});
