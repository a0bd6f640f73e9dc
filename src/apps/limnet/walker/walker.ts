/**
 * The last step of a round before fusion: a random walker along the edges of the image with the propagated probability as prior
 * and the prompt slices as seeds (Grady, Multilabel random walker image segmentation using prior models, CVPR 2005). Not in the
 * paper: docs/training.md has the comparison.
 */
import type { WalkerSettings } from "../networks.js";
import type { SliceSource } from "../propagation/features.js";
import { maskFrom, quantise, type StoredPlane } from "../propagation/plane.js";
import { type Block, blockAround, gather, layLattice } from "./lattice.js";
import { levelled, levelsOf } from "./levels.js";
import { solve } from "./solve.js";
import { trustOf } from "./trust.js";

export interface WalkInput {
  readonly source: SliceSource;
  /** What the propagation made, a plane a slice. */
  readonly planes: readonly StoredPlane[];
  /** Prompt slices, walls too: they stay as they are. */
  readonly prompts: ReadonlySet<number>;
  /** Those of the prompts that somebody corrected, clicking again; default none. */
  readonly corrected?: ReadonlySet<number>;
  /** Those that somebody drew; default none. */
  readonly outlined?: ReadonlySet<number>;
  readonly settings: WalkerSettings;
  /** Awaited between steps, so that a cancel can come in; throws to end the work. */
  readonly check?: () => Promise<void>;
}

/** New planes; prompt slices and slices outside the object's block are those of the input. Throws what `check` throws. */
export async function walk({ source, planes, prompts, corrected, outlined, settings, check }: WalkInput): Promise<StoredPlane[]> {
  const block = blockAround(planes, source);
  if (block === null) return planes.slice();
  const { depth, first } = block;
  const plane = block.rows * block.cols;
  const prior = new Float32Array(depth * plane);
  for (let d = 0; d < depth; d++) gather(planes[first + d], block, source.cols, prior, d * plane);
  const lattice = layLattice(source, block, prior, prompts, { ...settings, trust: trustOf(planes, prompts, source, settings) });
  const found = await solve(lattice, prior, settings.iterations, check);
  for (let i = 0; i < found.length; i++) found[i] -= prior[i];
  const levelAt = settings.levels === undefined ? () => null : levelsOf(planes, prompts, settings.levels, corrected, outlined);
  return planes.map((before, slice) => {
    const d = slice - first;
    if (d < 0 || d >= depth || prompts.has(slice)) return before;
    const after = changed(before, found.subarray(d * plane, (d + 1) * plane), block, source);
    return levelled(after, levelAt(slice));
  });
}

/** The plane plus the change of each node, interpolated where a node covers several pixels. Null where there was none and nothing reaches the mask. */
function changed(before: StoredPlane, change: Float32Array, block: Block, { rows, cols }: SliceSource): StoredPlane {
  const out = before === null ? new Uint8Array(rows * cols) : Uint8Array.from(before);
  const at = sampler(change, block);
  let any = false;
  for (let r = 0; r < block.height; r++) {
    for (let c = 0; c < block.width; c++) {
      const i = (block.row + r) * cols + block.col + c;
      const p = quantise(Math.min(1, Math.max(0, out[i] / 255 + at(r, c))));
      out[i] = p;
      any ||= p >= maskFrom;
    }
  }
  return before === null && !any ? null : out;
}

/** Value of a map of nodes at a pixel of the block: bilinear between the nodes' centres, clamped at the border. */
function sampler(map: Float32Array, { factor, rows, cols }: Block): (r: number, c: number) => number {
  if (factor === 1) return (r, c) => map[r * cols + c];
  return (r, c) => {
    const y = Math.min(rows - 1, Math.max(0, (r + 0.5) / factor - 0.5));
    const x = Math.min(cols - 1, Math.max(0, (c + 0.5) / factor - 0.5));
    const [y0, x0] = [Math.floor(y), Math.floor(x)];
    const [y1, x1] = [Math.min(rows - 1, y0 + 1), Math.min(cols - 1, x0 + 1)];
    const [fy, fx] = [y - y0, x - x0];
    const upper = map[y0 * cols + x0] * (1 - fx) + map[y0 * cols + x1] * fx;
    const lower = map[y1 * cols + x0] * (1 - fx) + map[y1 * cols + x1] * fx;
    return upper * (1 - fy) + lower * fy;
  };
}
