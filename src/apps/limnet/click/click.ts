/**
 * The click module (paper 2.1): clicks on one slice become a probability map of that slice.
 *
 * The network runs once per click, in the order of the clicks, each time with the map of the run before as previous
 * mask, as it was trained (iterative training, specification 1.6). After each run clicks are obeyed: see `obey`.
 * training/limnet_training/infer.py does the same for validation and for the pairs of the quality network.
 */
import type { SliceClick } from "../../../engine/protocol.js";
import type { Pixel } from "../../../imaging/geometry.js";
import { denoised, passesFor, smooth } from "../denoise.js";
import { clickMapCount, greyImage, type NetworkSettings, type Networks } from "../networks.js";
import { extract, paste, type Plane, toView, type View } from "../view.js";
import { drawDisks } from "./disks.js";
import { floodMap } from "./flood.js";
import { geodesicMap } from "./geodesic.js";
import { keepLocal } from "./local.js";
import { trimmed } from "./trim.js";
import { boxAbove, chooseView, wholeView } from "./zoom.js";

export interface ClickOptions {
  /** Clicks of earlier rounds on this slice, older than `clicks`: drawn and obeyed, but the network is not run for them again. */
  readonly earlier?: readonly SliceClick[];
  /** Checked before each run of the network; the reason of the signal is thrown. */
  readonly signal?: AbortSignal;
  /** Noise of the scan in grey values (denoise.ts); default none. */
  readonly noise?: number;
}

export interface ClickResult {
  /** Probabilities of the whole slice, 0..1; 0 outside the last view. Mask where >= 0.5. */
  readonly probability: Plane<Float32Array>;
  /** View of the last run; null where the network was not run at all. */
  readonly view: View | null;
  /** Runs of the network. */
  readonly runs: number;
}

/**
 * Runs the click network for the clicks of one slice.
 *
 * `slice`: grey values 0..255 (prepare.ts). `previous`: probabilities 0..1 of the same slice, null or zero where nothing is known.
 * Clicks are in slice pixels, oldest first. Negative clicks alone on an empty slice leave it empty, without a run.
 */
export async function runClicks(
  networks: Networks, slice: Plane<Uint8Array>, previous: Plane<ArrayLike<number>> | null,
  clicks: readonly SliceClick[], options: ClickOptions = {},
): Promise<ClickResult> {
  const { rows, cols } = slice;
  const { earlier = [], signal, noise = 0 } = options;
  const { zoom, size, local } = networks.settings.click;
  const closer = zoom.size ?? size;
  const nothing = (): Plane => ({ data: new Float32Array(rows * cols), rows, cols });
  let probability: Plane = previous === null ? nothing() : { data: Float32Array.from(previous.data), rows, cols };
  /** The zoomed view of the run before; a look at the whole slice is not stored. */
  let zoomed: View | null = null;
  let view: View | null = null;
  let runs = 0;
  const look = (at: View, size: number, before: Plane, upTo: readonly SliceClick[]) => {
    signal?.throwIfAborted();
    runs++;
    view = at;
    const { denoise } = networks.settings;
    const passes = denoise && upTo.length <= denoise.clicks ? passesFor(noise, at.side / zoom.expansion, denoise) : 0;
    return predict(networks, denoised(slice, passes), before, upTo, at, size);
  };
  for (let n = 0; n < clicks.length; n++) {
    const upTo = [...earlier, ...clicks.slice(0, n + 1)];
    const positives = upTo.filter((click) => click.positive);
    if (boxAbove(probability, 0.5) !== null) {
      zoomed = chooseView(probability, positives, zoomed, zoom);
      const before = probability;
      probability = await look(zoomed, closer, before, upTo);
      if (boxAbove(probability, 0.5) === null) probability = trimmed(before, clicks[n]) ?? probability;
      if (local !== undefined && upTo.length >= local) keepLocal(before, probability, clicks[n]);
    } else if (positives.length === 0) {
      probability = nothing();
    } else {
      probability = await look(wholeView(rows, cols), size, nothing(), upTo);
      if (zoom.first !== "whole" && boxAbove(probability, 0.5) !== null) {
        zoomed = chooseView(probability, positives, null, zoom);
        probability = await look(zoomed, closer, zoom.first === "guess" ? probability : nothing(), upTo);
      }
    }
    obey(probability, upTo);
  }
  return { probability, view, runs };
}

/** One run of the network in a view, shown at `size` x `size`; the answer is pasted into an empty plane. */
async function predict(
  networks: Networks, slice: Plane<Uint8Array>, previous: Plane, clicks: readonly SliceClick[], view: View, size: number,
): Promise<Plane> {
  const { settings } = networks;
  const { channels = 1, previous: form = "probability" } = settings.click;
  const image = extract(slice, view, size);
  for (let i = 0; i < image.length; i++) image[i] /= 255;
  const before = extract(previous, view, size);
  const maps = clickMaps(image, form === "binary" ? before.map((p) => (p > 0.5 ? 1 : 0)) : before, clicks, view, size, settings.click);
  const { probability } = await networks.run("click", {
    image: greyImage(image, size, channels),
    maps: { data: maps, dims: [1, maps.length / (size * size), size, size] },
  });
  const plane: Plane = { data: new Float32Array(slice.rows * slice.cols), rows: slice.rows, cols: slice.cols };
  paste(probability.data as Float32Array, size, view, plane);
  return plane;
}

/**
 * The map channels of the click network: previous, positive disks, negative disks, then positive and negative geodesic
 * map per setting, then positive and negative flood map where there is a setting for it (networks.ts). `image` and `previous` are `size` x `size`, 0..1, of the `view`; clicks are in slice pixels.
 */
export function clickMaps(
  image: Float32Array, previous: Float32Array, clicks: readonly SliceClick[], view: View, size: number,
  settings: NetworkSettings["click"],
): Float32Array {
  const { diskRadius, geodesic, flood } = settings;
  const area = size * size;
  const points = (positive: boolean): Pixel[] =>
    clicks.filter((click) => click.positive === positive).map((click) => toView(click.row, click.col, view, size));
  const positives = points(true);
  const negatives = points(false);
  const maps = new Float32Array(area * clickMapCount(settings));
  maps.set(previous, 0);
  maps.set(drawDisks(positives, size, diskRadius), area);
  maps.set(drawDisks(negatives, size, diskRadius), 2 * area);
  if (geodesic.length === 0 && flood === undefined) return maps;
  const smoothed = smooth(image, size);
  geodesic.forEach((setting, n) => {
    maps.set(geodesicMap(smoothed, size, positives, setting), (3 + 2 * n) * area);
    maps.set(geodesicMap(smoothed, size, negatives, setting), (4 + 2 * n) * area);
  });
  if (flood !== undefined) {
    [positives, negatives].forEach((seeds, n) => maps.set(floodMap(smoothed, size, seeds, flood.scale), (3 + 2 * geodesic.length + n) * area));
  }
  return maps;
}

/** Clear of the threshold, so that 8-bit storage and `> 0.5` agree on the side. */
const yes = 0.6;
const no = 0.4;

/**
 * What users rely on: a clicked pixel has the sign of its click; the last click wins where two share one. Only that pixel is
 * moved: where an object is ten pixels wide, errors are one pixel wide, and its right neighbours would go with it (docs/training.md).
 */
export function obey({ data, rows, cols }: Plane, clicks: readonly SliceClick[]): void {
  for (const { row, col, positive } of clicks) {
    const r = Math.min(rows - 1, Math.max(0, Math.round(row)));
    const c = Math.min(cols - 1, Math.max(0, Math.round(col)));
    const i = r * cols + c;
    data[i] = positive ? Math.max(data[i], yes) : Math.min(data[i], no);
  }
}
