import { expect, it } from "vitest";
import { packBits } from "../engine/mask-bits.js";
import { maskParts } from "../imaging/mask.js";
import type { Shape } from "../imaging/geometry.js";
import { bitsFile, type Pieces } from "./result-file.js";

const geometry = { affine: [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0] } as const;
const maskOf = (length: number) => Uint8Array.from({ length }, (_, n) => Number(((n * 2654435761) >>> 7) % 5 === 0));
const bitsOf = (mask: Uint8Array) => packBits(mask.map((voxel) => 255 * voxel));

/** Copied while it is told: a piece may change with the next. */
const allOf = (parts: Pieces) => Buffer.concat(Array.from(parts, (piece) => Buffer.from(piece)));

it.each<[string, Shape]>([[".nrrd", [1, 1, 1]], [".nrrd", [7, 5, 3]], [".seg.nrrd", [64, 64, 128]], [".nii", [129, 65, 131]]])("a mask of bits is the same %s as that of bytes, each time it is asked for: %j", async (ext, shape) => {
  const mask = maskOf(shape[0] * shape[1] * shape[2]);
  const { parts } = bitsFile(bitsOf(mask), { shape, geometry }, ext, "", {})!;
  const whole = Buffer.concat(await maskParts(mask, shape, geometry, ext));
  for (let n = 0; n < 2; n++) expect(Buffer.compare(allOf(parts!), whole)).toBe(0);
  expect(parts!.bytes).toBe(whole.length);
  expect(parts!.held).toBeLessThan(whole.length / 8 + 1000);
});

it("wants all of the mask where it is compressed or has samples of two bytes", () => {
  const bits = bitsOf(maskOf(8));
  const grid = { shape: [2, 2, 2] as Shape, geometry };
  for (const [ext, options] of [[".nii.gz", {}], [".nrrd", { compress: true }], [".nrrd", { dtype: "int16" }]] as const) expect(bitsFile(bits, grid, ext, "", options)).toBeNull();
});
