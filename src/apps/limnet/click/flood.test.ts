import { expect, test } from "vitest";
import { floodMap } from "./flood.js";

const size = 16;
const scale = 20;
/** Tolerances in grey steps, back from the map. */
const tolerances = (picture: Float64Array, seeds: { row: number; col: number }[]) => Array.from(floodMap(picture, size, seeds, scale), (m) => Math.abs(Math.round(-scale * Math.log(m))));
const at = (row: number, col: number) => row * size + col;
const picture = (grey: (row: number, col: number) => number) => Float64Array.from({ length: size * size }, (_, i) => grey(Math.floor(i / size), i % size) / 255);

test("all of an even ring is reached from one click on it, however long the way round, and its chamber is not", () => {
  const ring = (row: number, col: number) => Math.max(Math.abs(row - 8), Math.abs(col - 8)) === 5;
  const t = tolerances(picture((row, col) => (ring(row, col) ? 200 : 100)), [{ row: 3, col: 8 }]);
  for (let i = 0; i < t.length; i++) expect(t[i], `pixel ${i}`).toBe(ring(Math.floor(i / size), i % size) ? 0 : 100);
});

test("the largest difference on the way counts, and the way with the least of it is taken", () => {
  // A bright bar across the whole picture with one dimmer gap.
  const t = tolerances(picture((row, col) => (row === 8 ? (col === 12 ? 130 : 180) : 100)), [{ row: 2, col: 2 }]);
  expect(t[at(4, 4)]).toBe(0);
  expect(t[at(14, 1)]).toBe(30);
  expect(t[at(8, 3)]).toBe(80);
});

test("regions grow over edges of pixels, not over corners", () => {
  const t = tolerances(picture((row, col) => (row < 8 === col < 8 ? 50 : 90)), [{ row: 1, col: 1 }]);
  expect(t[at(12, 12)]).toBe(40);
});

test("with several clicks the nearer in grey value counts, each seen from its own", () => {
  const t = tolerances(picture((_, col) => (col < 8 ? 50 : 90)), [{ row: 4, col: 2 }, { row: 4, col: 12 }]);
  expect(new Set(t)).toEqual(new Set([0]));
});

test("without clicks the map is all zeros; clicks outside are clamped and rounded half up", () => {
  const even = picture(() => 128);
  expect(floodMap(even, size, [], scale).every((x) => x === 0)).toBe(true);
  const t = tolerances(picture((row, col) => (row === 0 && col === 15 ? 10 : 60)), [{ row: -4.2, col: 99 }]);
  expect([t[at(0, 15)], t[at(0, 14)]]).toEqual([0, 50]);
  expect(tolerances(picture((row) => (row === 5 ? 10 : 60)), [{ row: 4.5, col: 3 }])[at(5, 9)]).toBe(0);
});
