import { describe, expect, it } from "vitest";
import { random } from "../evaluate/bootstrap.js";
import { depth, squaredDistance } from "./distance.js";

function brute(seeds: Uint8Array, [nx, ny, nz]: readonly [number, number, number], [sx, sy, sz]: readonly [number, number, number]): number[] {
  const at = (n: number) => [n % nx, Math.floor(n / nx) % ny, Math.floor(n / (nx * ny))];
  const out = new Array<number>(nx * ny * nz).fill(Infinity);
  for (let a = 0; a < out.length; a++) {
    for (let b = 0; b < out.length; b++) {
      if (!seeds[b]) continue;
      const [p, q] = [at(a), at(b)];
      out[a] = Math.min(out[a], ((p[0] - q[0]) * sx) ** 2 + ((p[1] - q[1]) * sy) ** 2 + ((p[2] - q[2]) * sz) ** 2);
    }
  }
  return out;
}

describe("squaredDistance", () => {
  it("agrees to the unit with brute force on random whole-number grids", () => {
    const next = random(7);
    for (let n = 0; n < 60; n++) {
      const shape = [1 + Math.floor(next() * 12), 1 + Math.floor(next() * 11), 1 + Math.floor(next() * 4)] as const;
      const rate = next();
      const seeds = Uint8Array.from({ length: shape[0] * shape[1] * shape[2] }, () => (next() < rate * rate ? 1 : 0));
      expect([...squaredDistance(seeds, shape)]).toEqual(brute(seeds, shape, [1, 1, 1]));
    }
  });

  it("agrees with brute force where voxels are no cubes", () => {
    const next = random(8);
    const shape = [9, 7, 5] as const;
    const spacing = [0.7, 1.3, 3.27] as const;
    const seeds = Uint8Array.from({ length: 9 * 7 * 5 }, () => (next() < 0.04 ? 1 : 0));
    const expected = brute(seeds, shape, spacing);
    for (const [i, d] of squaredDistance(seeds, shape, spacing).entries()) expect(d).toBeCloseTo(expected[i], 9);
  });

  it("is infinite without seeds", () => {
    expect([...squaredDistance(new Uint8Array(8), [2, 2, 2])]).toEqual(new Array(8).fill(Infinity));
  });
});

describe("depth", () => {
  it("counts what lies outside the slice as background", () => {
    expect([...depth(new Uint8Array(15).fill(1), 3, 5)]).toEqual([1, 1, 1, 1, 1, 1, 4, 4, 4, 1, 1, 1, 1, 1, 1]);
  });
});
