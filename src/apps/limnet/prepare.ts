/** Grey values to 0..255: one window per volume, quantised to 8 bit so that training and runtime see the same. */
import type { Volume } from "../../imaging/volume.js";

/** A volume as the networks see it. Same grid as the image; 255 = upper end of the window. */
export interface Prepared {
  readonly grey: Uint8Array;
  readonly shape: readonly [number, number, number];
  readonly window: readonly [number, number];
}

/** Soft tissue, in HU. Wider than the paper's 2.9 because unknown organs are clicked. */
const ctWindow = [-160, 260] as const;

/**
 * The window of a volume in real values (slope and intercept applied): soft tissue for what looks like CT in HU
 * (a minimum of -500 or less), else the 0.5 and 99.5 percentiles (of the non-minimum voxels, so that a large empty
 * background does not swallow the range). Specification 2.9.
 */
export function chooseWindow(volume: Volume): [number, number] {
  const { voxels, slope, intercept } = volume;
  const step = Math.max(1, Math.floor(voxels.length / 400_000));
  const sample = new Float64Array(Math.ceil(voxels.length / step));
  let n = 0;
  for (let i = 0; i < voxels.length; i += step) {
    const v = voxels[i] * slope + intercept;
    if (Number.isFinite(v)) sample[n++] = v;
  }
  if (n === 0) return [0, 1];
  const sorted = sample.subarray(0, n).sort();
  const low = sorted[0];
  if (low <= -500) return [...ctWindow];
  let first = 0;
  while (first < n && sorted[first] === low) first++;
  if (n - first < n * 0.05) first = 0;
  const rank = (q: number) => sorted[Math.min(n - 1, first + Math.floor(q * (n - first)))];
  const a = rank(0.005);
  const b = rank(0.995);
  return b > a ? [a, b] : [a, a + 1];
}

/** Voxels between two pauses: a few milliseconds. */
const chunk = 1 << 21;

/** Applies a window: floor(255 * clamp((v - low) / (high - low)) + 0.5). NaN becomes 0. `pause` is awaited now and then. */
export async function prepare(
  volume: Volume, window: readonly [number, number] = chooseWindow(volume), pause?: () => Promise<void>,
): Promise<Prepared> {
  const { voxels, slope, intercept, shape } = volume;
  const [low, high] = window;
  const grey = new Uint8Array(voxels.length);
  const gain = 255 / (high - low);
  for (let start = 0; start < voxels.length; start += chunk) {
    const end = Math.min(voxels.length, start + chunk);
    for (let i = start; i < end; i++) {
      const v = (voxels[i] * slope + intercept - low) * gain;
      grey[i] = v <= 0 ? 0 : v >= 255 ? 255 : v + 0.5;
    }
    if (end < voxels.length) await pause?.();
  }
  return { grey, shape, window: [low, high] };
}
