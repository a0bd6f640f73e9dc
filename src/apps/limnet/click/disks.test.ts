import { expect, test } from "vitest";
import { drawDisks } from "./disks.js";

const count = (map: Float32Array) => map.reduce((sum, x) => sum + x, 0);

test("an integer click of radius 5 has 81 pixels", () => {
  expect(count(drawDisks([{ row: 20, col: 30 }], 64, 5))).toBe(81);
});

test("fractions of a click move the disk", () => {
  const map = drawDisks([{ row: 20.5, col: 30.5 }], 64, 5);
  expect(count(map)).toBe(80);
  expect(map[20 * 64 + 26]).toBe(1);
  expect(map[21 * 64 + 35]).toBe(1);
  expect(map[20 * 64 + 25]).toBe(0);
});

test("a disk is cut at the border, and one far outside leaves nothing", () => {
  expect(count(drawDisks([{ row: 0, col: 0 }], 64, 5))).toBe(26);
  expect(count(drawDisks([{ row: -3, col: 10 }], 64, 5))).toBeGreaterThan(0);
  expect(count(drawDisks([{ row: -300, col: 10 }], 64, 5))).toBe(0);
});

test("no click gives an empty map, near clicks one common area", () => {
  expect(count(drawDisks([], 64, 5))).toBe(0);
  expect(count(drawDisks([{ row: 20, col: 30 }, { row: 20, col: 30 }], 64, 5))).toBe(81);
});
