import { describe, expect, it } from "vitest";
import { transferred } from "./transfer.js";

const size = 24;
const settings = { reach: 4, contrast: 6, nearness: 3 };
const picture = (grey: (row: number, col: number) => number) => Float64Array.from({ length: size * size }, (_, i) => grey(Math.floor(i / size), i % size));
const mask = (inside: (row: number, col: number) => boolean) => Float32Array.from({ length: size * size }, (_, i) => (inside(Math.floor(i / size), i % size) ? 1 : 0));
const at = (map: Float32Array, row: number, col: number) => map[row * size + col];

describe("a mask that like patches carry over", () => {
  // A bright wall, two pixels thick.
  const wall = (from: number) => (_row: number, col: number) => (col === from || col === from + 1 ? 0.8 : 0.2);

  it("follows a thin wall to where it has moved", () => {
    const got = transferred(picture(wall(13)), picture(wall(10)), mask((_, col) => col === 10 || col === 11), size, settings);
    expect(at(got, 12, 13)).toBeGreaterThan(0.9);
    expect(at(got, 12, 14)).toBeGreaterThan(0.9);
    expect(at(got, 12, 10)).toBeLessThan(0.1);
    expect(at(got, 12, 16)).toBeLessThan(0.1);
  });

  it("looks no further than its reach", () => {
    const got = transferred(picture(wall(16)), picture(wall(10)), mask((_, col) => col === 10 || col === 11), size, settings);
    expect(at(got, 12, 16)).toBe(0);
  });

  it("stays where the mask was in a picture without edges", () => {
    const flat = picture(() => 0.5);
    const disk = mask((row, col) => (row - 12) ** 2 + (col - 12) ** 2 <= 49);
    const got = transferred(flat, flat, disk, size, settings);
    const distance = (i: number) => Math.hypot(Math.floor(i / size) - 12, (i % size) - 12);
    expect([...got].every((p, i) => (distance(i) <= 6 ? p >= 0.5 : distance(i) >= 8 ? p < 0.5 : true))).toBe(true);
  });

  it("keeps what is sure, and what no patch is like", () => {
    const disk = mask((row, col) => (row - 12) ** 2 + (col - 12) ** 2 <= 49).map((p) => (p === 1 ? 0.97 : 0.02));
    const got = transferred(picture(() => 0.9), picture(() => 0.1), disk, size, settings);
    expect(got).toEqual(disk);
    const moved = transferred(picture(wall(13)), picture(wall(10)), disk, size, settings);
    expect(at(moved, 12, 12)).toBe(disk[12 * size + 12]);
    expect(at(moved, 0, 0)).toBe(disk[0]);
  });
});
