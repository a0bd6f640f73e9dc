/**
 * Noise of a scan, and slices without much of it. The networks know noise from training, yet on CT with much of it the first click found half of an
 * object; smoothed slices gave tumours in CT five points (docs/training.md). What is small loses its edges by it, so it stays as it is.
 * training/limnet_training/denoise.py does the same.
 */
import type { DenoiseSettings } from "./networks.js";
import type { SliceSource } from "./propagation/features.js";
import type { Plane } from "./view.js";

/** Every so many pixels a row and a column are enough for an estimate. */
const stride = 2;
/** Slices that a scan is judged by. */
const looks = 9;
/** Grey values so near to the ends of the window are cut, and tell nothing. */
const margin = 8;

/**
 * Standard deviation of the noise, in grey values (0..255): of the difference of two Laplacians, which neither slopes nor edges along the grid
 * change (Immerkaer, Fast noise variance estimation, CVIU 1996), by its median, so that what is no noise counts little. 0 where nothing lies inside the window.
 */
export function noiseOf(planes: Iterable<Plane<Uint8Array>>): number {
  const histogram = new Uint32Array(8 * 255 + 1);
  let count = 0;
  for (const { data, rows, cols } of planes) {
    for (let r = 1; r < rows - 1; r += stride) {
      for (let c = 1; c < cols - 1; c += stride) {
        const i = r * cols + c;
        if (data[i] < margin || data[i] > 255 - margin) continue;
        const beside = data[i - 1] + data[i + 1] + data[i - cols] + data[i + cols];
        const corners = data[i - cols - 1] + data[i - cols + 1] + data[i + cols - 1] + data[i + cols + 1];
        histogram[Math.abs(4 * data[i] - 2 * beside + corners)]++;
        count++;
      }
    }
  }
  let sum = 0;
  for (let value = 0; value < histogram.length && count > 0; value++) {
    sum += histogram[value];
    // The mask's weights give six times the noise; 0.6745 of it lies below the median.
    if (2 * sum >= count) return value / 6 / 0.6745;
  }
  return 0;
}

/** The noise of a scan, from some of its slices. */
export function noiseOfScan({ count, plane }: Pick<SliceSource, "count" | "plane">): number {
  const step = Math.max(1, count / looks);
  const planes = Array.from({ length: Math.min(looks, count) }, (_, n) => plane(Math.floor((n + 0.5) * step)));
  return noiseOf(planes);
}

/** How often a slice is smoothed where an object of `longest` pixels is looked at. */
export function passesFor(noise: number, longest: number, settings: DenoiseSettings | undefined): number {
  if (settings === undefined || longest < settings.minObject) return 0;
  return settings.noise.filter((from) => noise >= from).length;
}

/** The slice, smoothed so many times by (1 2 1) / 4 along rows and columns, the border repeated; the slice itself for none. */
export function denoised(plane: Plane<Uint8Array>, passes: number): Plane<Uint8Array> {
  if (passes === 0) return plane;
  const { rows, cols } = plane;
  let now = plane.data;
  const across = new Uint16Array(rows * cols);
  for (let n = 0; n < passes; n++) {
    const next = new Uint8Array(rows * cols);
    for (let r = 0; r < rows; r++) {
      const at = r * cols;
      const end = at + cols - 1;
      for (let i = at + 1; i < end; i++) across[i] = now[i - 1] + 2 * now[i] + now[i + 1];
      across[at] = 3 * now[at] + now[Math.min(end, at + 1)];
      across[end] = now[Math.max(at, end - 1)] + 3 * now[end];
    }
    for (let r = 0; r < rows; r++) {
      const [above, at, below] = [Math.max(0, r - 1) * cols, r * cols, Math.min(rows - 1, r + 1) * cols];
      for (let c = 0; c < cols; c++) next[at + c] = (across[above + c] + 2 * across[at + c] + across[below + c] + 8) >> 4;
    }
    now = next;
  }
  return { data: now, rows, cols };
}

/** The slices as they are looked at where the object has `longest` pixels. */
export function denoisedSource(source: SliceSource, longest: number, settings: DenoiseSettings | undefined): SliceSource {
  const passes = passesFor(source.noise ?? 0, longest, settings);
  if (passes === 0) return source;
  return { ...source, identity: `${source.identity}|smoothed ${passes}`, plane: (index) => denoised(source.plane(index), passes) };
}
