import { expect, test } from "vitest";
import type { Plane } from "../view.js";
import { boxAbove, chooseView, overlap, squareAround, wholeView } from "./zoom.js";

const settings = { expansion: 1.5, minSide: 40, keepOverlap: 0.5, first: "whole" as const };

function plane(rows: number, cols: number, box?: { top: number; left: number; bottom: number; right: number }): Plane {
  const data = new Float32Array(rows * cols);
  if (box) for (let r = box.top; r <= box.bottom; r++) data.fill(1, r * cols + box.left, r * cols + box.right + 1);
  return { data, rows, cols };
}

test("without a mask the view is the whole slice, squared around its centre", () => {
  expect(chooseView(plane(100, 60), [{ row: 3, col: 3 }], null, settings)).toEqual({ row: 0, col: -20, side: 100 });
  expect(wholeView(60, 100)).toEqual({ row: -20, col: 0, side: 100 });
});

test("the view is the box of the mask and the positive clicks, enlarged around its centre", () => {
  const mask = plane(200, 200, { top: 50, left: 80, bottom: 89, right: 99 });
  expect(chooseView(mask, [], null, settings)).toEqual({ row: 40, col: 60, side: 60 });
  expect(chooseView(mask, [{ row: 109, col: 85 }], null, settings)).toEqual({ row: 35, col: 45, side: 90 });
});

test("a small mask gets the smallest side, a large one no more than the slice", () => {
  expect(squareAround({ top: 10, left: 10, bottom: 10, right: 10 }, settings, 200).side).toBe(40);
  expect(chooseView(plane(100, 60, { top: 5, left: 5, bottom: 94, right: 50 }), [], null, settings).side).toBe(100);
});

test("the stored view stays while it overlaps enough and holds the positive clicks", () => {
  const mask = plane(200, 200, { top: 50, left: 80, bottom: 89, right: 99 });
  const near = { row: 45, col: 65, side: 60 };
  expect(chooseView(mask, [], near, settings)).toBe(near);
  expect(chooseView(mask, [{ row: 43, col: 85 }], near, settings)).not.toBe(near);
  expect(chooseView(mask, [], { row: 70, col: 60, side: 60 }, settings)).toEqual({ row: 40, col: 60, side: 60 });
});

test("overlap is the product of the interval overlaps", () => {
  expect(overlap({ row: 0, col: 0, side: 10 }, { row: 5, col: 0, side: 10 })).toBeCloseTo(1 / 3, 12);
  expect(overlap({ row: 0, col: 0, side: 10 }, { row: 20, col: 0, side: 10 })).toBe(0);
});

test("the box takes values above the threshold only", () => {
  const mask = plane(10, 10);
  mask.data[34] = 0.5;
  expect(boxAbove(mask, 0.5)).toBeNull();
  mask.data[34] = 0.6;
  expect(boxAbove(mask, 0.5)).toEqual({ top: 3, left: 4, bottom: 3, right: 4 });
});
