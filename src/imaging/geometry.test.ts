import { describe, expect, test } from "vitest";
import { randomGeometry, seeded } from "../../test/fixtures/imaging/make.js";
import {
  axisCodes, checkGeometry, chooseAxis, type Geometry, geometryFrom, lpsFrame, type RasAffine, rasToVoxel, sameGrid, spacing,
  toLps, toRas, voxelToRas,
} from "./geometry.js";

const grid = (i: number, j: number, k: number): Geometry => ({ affine: [i, 0, 0, 0, 0, j, 0, 0, 0, 0, k, 0] });

describe("patient coordinates", () => {
  test("a voxel goes to millimetres and comes back, on two hundred random grids", () => {
    const random = seeded(1);
    for (let round = 0; round < 200; round++) {
      const geometry = randomGeometry(random, round % 2 ? 0.3 : 0);
      const voxel = [500 * random(), 500 * random(), 500 * random()] as const;
      const back = rasToVoxel(geometry, voxelToRas(geometry, voxel));
      for (const axis of [0, 1, 2]) expect(back[axis]).toBeCloseTo(voxel[axis], 8);
    }
  });

  test("LPS differs from RAS by the signs of x and y only", () => {
    expect(toLps({ x: 1, y: 2, z: 3 })).toEqual({ left: -1, posterior: -2, superior: 3 });
    expect(toRas(toLps({ x: 1, y: 2, z: 3 }))).toEqual({ x: 1, y: 2, z: 3 });
  });

  test("a grid written in LPS and read again is the same grid, bit for bit", () => {
    const random = seeded(2);
    for (let round = 0; round < 100; round++) {
      const geometry = randomGeometry(random);
      expect(geometryFrom(lpsFrame(geometry))).toEqual(geometry);
    }
  });

  test("a frame in LAS mirrors x", () => {
    const geometry = geometryFrom({ space: "LAS", origin: [5, 6, 7], steps: [[1, 0, 0], [0, 2, 0], [0, 0, 3]] });
    expect(geometry.affine).toEqual([-1, 0, 0, -5, 0, 2, 0, 6, 0, 0, 3, 7]);
  });

  test("a frame of two dimensions gets a third step of 1 mm along its normal", () => {
    const geometry = geometryFrom({ space: "RAS", origin: [0, 0, 0], steps: [[0, 0.5, 0], [0, 0, 0.25]] });
    expect(geometry.affine).toEqual([0, 0, 1, 0, 0.5, 0, 0, 0, 0, 0.25, 0, 0]);
  });

  test("the spacing of a turned grid is the length of its steps", () => {
    const [c, s] = [Math.cos(0.4), Math.sin(0.4)];
    const sizes = spacing({ affine: [2 * c, -3 * s, 0, 9, 2 * s, 3 * c, 0, 9, 0, 0, -4, 9] });
    [2, 3, 4].forEach((size, axis) => { expect(sizes[axis]).toBeCloseTo(size, 12); });
  });
});

describe("axis codes", () => {
  test("each letter says to which side of the patient an axis runs", () => {
    expect(axisCodes(grid(1, 1, 1))).toBe("RAS");
    expect(axisCodes(grid(-1, -1, 1))).toBe("LPS");
    expect(axisCodes({ affine: [0, 0, 2, 0, -1, 0, 0, 0, 0, -1, 0, 0] })).toBe("PIR");
  });

  test("every random grid gets one letter of each pair", () => {
    const random = seeded(3);
    for (let round = 0; round < 100; round++) {
      expect([...axisCodes(randomGeometry(random, 0.4))].map((letter) => ({ L: "R", P: "A", I: "S" })[letter] ?? letter).sort().join("")).toBe("ARS");
    }
  });
});

describe("same grid", () => {
  const a = { shape: [512, 512, 100], geometry: grid(0.7, 0.7, 3) } as const;

  test("the float32 of a header makes no difference", () => {
    const affine = a.geometry.affine.map(Math.fround) as unknown as RasAffine;
    expect(sameGrid(a, { shape: a.shape, geometry: { affine } })).toBe(true);
  });

  test("another shape, a shifted origin or a spacing that adds up over the grid makes another grid", () => {
    expect(sameGrid(a, { ...a, shape: [512, 512, 101] })).toBe(false);
    expect(sameGrid(a, { ...a, geometry: { affine: a.geometry.affine.map((v, at) => (at === 3 ? 0.1 : v)) as unknown as RasAffine } })).toBe(false);
    expect(sameGrid(a, { ...a, geometry: grid(0.7001, 0.7, 3) })).toBe(false);
    expect(sameGrid(a, { ...a, geometry: grid(0.7001, 0.7, 3) }, 0.1)).toBe(true);
  });

  test("NaN is never the same", () => {
    expect(sameGrid(a, { ...a, geometry: grid(Number.NaN, 1, 1) })).toBe(false);
  });
});

describe("the axis to cut across", () => {
  const shape = [10, 10, 10] as const;

  test("thick slices decide, whichever axis they lie on", () => {
    expect(chooseAxis(grid(1, 1, 5), shape)).toBe(2);
    expect(chooseAxis(grid(1, 5, 1), shape)).toBe(1);
    expect(chooseAxis(grid(5, 1, 1), shape)).toBe(0);
    expect(chooseAxis(grid(Math.fround(1.25), 1, 1), shape)).toBe(0);
  });

  test("without thick slices it is the axis from feet to head", () => {
    expect(chooseAxis(grid(1.2, 1, 1), shape)).toBe(2);
    expect(chooseAxis({ affine: [0, 1, 0, 0, 0, 0, 1, 0, -1.1, 0, 0, 0] }, shape)).toBe(0);
    expect(chooseAxis({ affine: [0, 2, 0, 0, 0, 0, 2, 0, -1.1, 0, 0, 0] }, shape)).toBe(0);
  });

  test("a single slice is cut across the axis that has one voxel", () => {
    expect(chooseAxis(grid(1, 1, 1), [10, 1, 10])).toBe(1);
  });
});

describe("a geometry that is none", () => {
  test.each([
    ["not finite", grid(Number.NaN, 1, 1)],
    ["not finite", grid(1, Number.POSITIVE_INFINITY, 1)],
    ["not finite", grid(1e200, 1e200, 1e308 * 10)],
    ["zero", grid(1, 0, 1)],
    ["one plane", { affine: [1, 1, 0, 0, 1, 1, 0, 0, 0, 0, 1, 0] } satisfies Geometry],
  ])("is refused: %s", (word, geometry) => {
    for (const ask of [checkGeometry, axisCodes, (g: Geometry) => chooseAxis(g, [4, 4, 4]), (g: Geometry) => rasToVoxel(g, { x: 0, y: 0, z: 0 })]) {
      expect(() => ask(geometry)).toThrow(expect.objectContaining({ code: "bad_volume", message: expect.stringContaining(word) }));
    }
  });
});
