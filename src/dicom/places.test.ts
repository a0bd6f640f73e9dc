import { describe, expect, it } from "vitest";
import { sliceFile } from "../../test/fixtures/dicom/make.js";
import { seeded } from "../../test/fixtures/imaging/make.js";
import { rasToVoxel, toRas, voxelToRas } from "../imaging/geometry.js";
import { nearestVoxel, truePlace } from "./places.js";
import { readSeries } from "./series.js";

const [rows, columns] = [6, 5];

/** A rotation matrix; its first two columns are directions of rows and columns. */
function directions(random: () => number): { row: number[]; column: number[]; normal: number[] } {
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const unit = (v: number[]) => v.map((part) => part / Math.hypot(...v));
  const row = unit([normal(), normal(), normal()]);
  const other = [normal(), normal(), normal()];
  const along = other.reduce((sum, part, at) => sum + part * row[at], 0);
  const column = unit(other.map((part, at) => part - along * row[at]));
  const cross = [row[1] * column[2] - row[2] * column[1], row[2] * column[0] - row[0] * column[2], row[0] * column[1] - row[1] * column[0]];
  return { row, column, normal: cross };
}

function shuffled<T>(list: readonly T[], random: () => number): T[] {
  return [...list].map((one) => ({ one, at: random() })).sort((a, b) => a.at - b.at).map(({ one }) => one);
}

/** A stack with one marked pixel, whose place in the patient is worked out here and nowhere else. */
function stack(random: () => number, kind: "even" | "tilted" | "uneven") {
  const { row, column, normal } = directions(random);
  const count = 2 + Math.floor(random() * 8);
  const spacing = [0.3 + 2 * random(), 0.3 + 2 * random()] as const;
  const origin = [0, 1, 2].map(() => 400 * (random() - 0.5));
  const way = kind === "tilted" ? normal.map((part, at) => part + 0.4 * column[at]) : normal;
  const gap = 0.5 + 4 * random();
  const sign = random() < 0.5 ? -1 : 1;
  let along = 0;
  const places = Array.from({ length: count }, () => {
    const place = origin.map((part, at) => part + sign * way[at] * along);
    along += kind === "uneven" ? gap * (0.5 + random()) : gap;
    return place;
  });
  const marked = [Math.floor(random() * columns), Math.floor(random() * rows), Math.floor(random() * count)];
  const files = places.map((position, at) => {
    const pixels = new Uint16Array(rows * columns);
    if (at === marked[2]) pixels[marked[1] * columns + marked[0]] = 999;
    return sliceFile(pixels, { rows, columns, position, orientation: [...row, ...column], spacing, number: at + 1 });
  });
  const [x, y, z] = places[marked[2]].map((part, at) => part + row[at] * spacing[1] * marked[0] + column[at] * spacing[0] * marked[1]);
  return { files: shuffled(files, random), point: { left: x, posterior: y, superior: z } };
}

describe("a click at a known point of the patient", () => {
  it.each(["even", "tilted", "uneven"] as const)("finds its voxel in every order and orientation of %s slices, and back", async (kind) => {
    const random = seeded(61);
    for (let round = 0; round < 60; round++) {
      const { files, point } = stack(random, kind);
      const { volumes: [{ volume, slices }] } = await readSeries(files);
      const { geometry, shape, voxels } = volume;
      const exact = nearestVoxel({ geometry, slices }, point);
      const [i, j, k] = exact.map((part) => Math.round(part) + 0);
      for (const axis of [0, 1]) expect(exact[axis]).toBeCloseTo([i, j][axis], 5);
      expect(voxels[i + shape[0] * (j + shape[1] * k)]).toBe(999);
      const back = truePlace({ geometry, slices }, [i, j, k]);
      expect(Math.hypot(back.left - point.left, back.posterior - point.posterior, back.superior - point.superior)).toBeLessThan(1e-5);
      if (kind === "uneven") continue;
      // On an even stack the grid alone says the same.
      expect(rasToVoxel(geometry, toRas(point)).map((part) => Math.round(part) + 0)).toEqual([i, j, k]);
      const onGrid = voxelToRas(geometry, [i, j, k]);
      const ras = toRas(point);
      expect(Math.hypot(onGrid.x - ras.x, onGrid.y - ras.y, onGrid.z - ras.z)).toBeLessThan(1e-5);
    }
  });
});
