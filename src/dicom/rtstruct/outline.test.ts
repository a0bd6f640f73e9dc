import { describe, expect, it } from "vitest";
import { joinHoles } from "./keyhole.js";
import { area, type Loop, trace } from "./outline.js";

/** A picture of "#" and "." as a plane. */
function picture(...lines: string[]): { plane: Uint8Array; cols: number; rows: number } {
  return { plane: Uint8Array.from(lines.join(""), (mark) => (mark === "#" ? 1 : 0)), cols: lines[0].length, rows: lines.length };
}

/** Which pixel centres lie inside, by the even-odd rule; a centre must never lie on a side. */
function fill(polygons: readonly Loop[], cols: number, rows: number): Uint8Array {
  const plane = new Uint8Array(cols * rows);
  for (let row = 0; row < rows; row++) {
    for (const polygon of polygons) {
      const crossings: number[] = [];
      for (const [n, [x, y]] of polygon.entries()) {
        const [qx, qy] = polygon[(n + 1) % polygon.length];
        if (y > 2 * row !== qy > 2 * row) crossings.push(x + ((qx - x) * (2 * row - y)) / (qy - y));
      }
      expect(crossings.filter((x) => x % 2 === 0)).toEqual([]);
      for (let col = 0; col < cols; col++) {
        if (crossings.filter((x) => x < 2 * col).length % 2 === 1) plane[row * cols + col] ^= 1;
      }
    }
  }
  return plane;
}

function random(seed: number): () => number {
  let state = seed;
  return () => (state = (1103515245 * state + 12345) % 2147483648) / 2147483648;
}

describe("outlines", () => {
  it("of one pixel are a diamond of half its size around its centre", () => {
    const [loop] = trace(...Object.values(picture("...", ".#.", "...")) as [Uint8Array, number, number]);
    expect(loop).toHaveLength(4);
    expect(area(loop)).toBe(4);
  });

  it("run along the border where the object reaches it", () => {
    const { plane, cols, rows } = picture("##", "##");
    const loops = trace(plane, cols, rows);
    expect(loops).toHaveLength(1);
    expect(fill(loops, cols, rows)).toEqual(plane);
  });

  it("keep the area of large objects to half a pixel", () => {
    const plane = Uint8Array.from({ length: 10000 }, (_, at) => ((at % 100) - 50) ** 2 + (Math.floor(at / 100) - 50) ** 2 < 900 ? 1 : 0);
    const [loop] = trace(plane, 100, 100);
    expect(area(loop) / 8).toBe(plane.reduce((sum, value) => sum + value, 0) - 0.5);
  });

  it("separate pixels that touch by a corner", () => {
    const { plane, cols, rows } = picture("#.", ".#");
    expect(trace(plane, cols, rows).map((loop) => area(loop) > 0)).toEqual([true, true]);
  });

  it("go round holes the other way, and join them to one polygon", () => {
    const { plane, cols, rows } = picture("#########", "#.##.##.#", "#########", "##.#.#.##", "#########");
    const loops = trace(plane, cols, rows);
    expect(loops.filter((loop) => area(loop) < 0)).toHaveLength(6);
    const joined = joinHoles(loops);
    expect(joined).toHaveLength(1);
    expect(fill(joined, cols, rows)).toEqual(plane);
  });

  it("give back any mask, with holes in islands in holes", () => {
    const next = random(11);
    for (let n = 0; n < 60; n++) {
      const [cols, rows, share] = [1 + Math.floor(30 * next()), 1 + Math.floor(30 * next()), next()];
      const plane = Uint8Array.from({ length: cols * rows }, () => (next() < share ? 1 : 0));
      const loops = trace(plane, cols, rows);
      const joined = joinHoles(loops);
      expect(joined.every((polygon) => area(polygon) > 0)).toBe(true);
      expect(joined.reduce((sum, polygon) => sum + area(polygon), 0)).toBe(loops.reduce((sum, loop) => sum + area(loop), 0));
      expect(fill(joined, cols, rows)).toEqual(plane);
    }
  });
});
