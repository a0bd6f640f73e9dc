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

/** The grey steps 0..255 of a smoothed picture (0..1), rounded half up: what regions and patches are compared by (click/flood.ts, propagation/transfer.ts). */
export function greySteps(smoothed: Float64Array): Uint8Array {
  const grey = new Uint8Array(smoothed.length);
  for (let i = 0; i < grey.length; i++) grey[i] = Math.min(255, Math.max(0, Math.floor(smoothed[i] * 255 + 0.5)));
  return grey;
}

/** Separable (1 2 1) / 4, the border repeated, float64. `rows` x `cols`. What distances are taken on as well (click/geodesic.ts). */
export function smooth(image: ArrayLike<number>, rows: number, cols = rows): Float64Array {
  const across = new Float64Array(rows * cols);
  const out = new Float64Array(rows * cols);
  for (let r = 0; r < rows; r++) {
    const first = r * cols;
    const last = first + cols - 1;
    for (let i = first; i <= last; i++) {
      const left = image[i > first ? i - 1 : first];
      const right = image[i < last ? i + 1 : last];
      across[i] = (left + 2 * image[i] + right) / 4;
    }
  }
  for (let r = 0; r < rows; r++) {
    const up = (r > 0 ? r - 1 : 0) * cols;
    const row = r * cols;
    const down = (r < rows - 1 ? r + 1 : rows - 1) * cols;
    for (let c = 0; c < cols; c++) out[row + c] = (across[up + c] + 2 * across[row + c] + across[down + c]) / 4;
  }
  return out;
}

/** The slice, smoothed so many times, in whole grey values; the slice itself for none. */
export function denoised(plane: Plane<Uint8Array>, passes: number): Plane<Uint8Array> {
  const { rows, cols } = plane;
  let { data } = plane;
  for (let n = 0; n < passes; n++) {
    const grey = smooth(data, rows, cols);
    data = new Uint8Array(grey.length);
    for (let i = 0; i < grey.length; i++) data[i] = grey[i] + 0.5;
  }
  return passes === 0 ? plane : { data, rows, cols };
}

/** The slices as they are looked at where the object has `longest` pixels. */
export function denoisedSource(source: SliceSource, longest: number, settings: DenoiseSettings | undefined): SliceSource {
  const passes = passesFor(source.noise ?? 0, longest, settings);
  if (passes === 0) return source;
  return { ...source, identity: `${source.identity}|smoothed ${passes}`, plane: (index) => denoised(source.plane(index), passes) };
}
