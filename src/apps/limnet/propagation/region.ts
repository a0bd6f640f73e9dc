/** Which square of the slices the propagation network looks at (specification 6.3, point 1). */
import type { Box } from "../click/zoom.js";
import type { NetworkSettings } from "../networks.js";
import type { View } from "../view.js";

type Settings = NetworkSettings["propagation"];

/** A square of the slices and the side of the network input that it is resampled to. */
export interface Region extends View {
  readonly size: number;
}

export interface SliceSize {
  readonly rows: number;
  readonly cols: number;
}

/** A mask nearer to the border of the region than side / `margin` calls for another region. */
const margin = 12;
/** A region that its mask fills grows at least so much. */
const growth = 1.3;

const longer = (box: Box) => Math.max(box.bottom - box.top + 1, box.right - box.left + 1);

/** Whole pixels, on a grid of about 1/16 of the side: prompts that hardly change the box leave the region, and with it the
 * cached features of all slices, as they are. */
function snapped(box: Box, wanted: number, slice: SliceSize, settings: Settings): Region {
  const whole = Math.max(slice.rows, slice.cols);
  const step = Math.max(1, 2 ** Math.floor(Math.log2(wanted / 16)));
  const side = Math.min(whole, Math.ceil(wanted / step) * step);
  const size = settings.sizes.find((s) => s >= (side * 2) / 3) ?? settings.sizes[settings.sizes.length - 1];
  const origin = (first: number, last: number, length: number) => {
    if (side === whole) return Math.floor((length - side) / 2);
    return Math.round(((first + last + 1 - side) / 2) / step) * step;
  };
  return { row: origin(box.top, box.bottom, slice.rows), col: origin(box.left, box.right, slice.cols), side, size };
}

/**
 * The region for the masks in `box`: expansion x its longer side, at least minSide, at most the slice's longer side (then
 * the whole slice, centred). Null box: the whole slice.
 */
export function regionAround(box: Box | null, slice: SliceSize, settings: Settings): Region {
  const all = box ?? { top: 0, left: 0, bottom: slice.rows - 1, right: slice.cols - 1 };
  return snapped(all, Math.max(settings.region.expansion * longer(all), settings.region.minSide), slice, settings);
}

/**
 * The region to go on with when a mask has come near the border of `region` where the slice goes on beyond it: around the
 * mask, never smaller than before. Null: `region` still does.
 */
export function regionFollowing(region: Region, mask: Box, slice: SliceSize, settings: Settings): Region | null {
  const near = region.side / margin;
  const touches =
    (region.row > 0 && mask.top < region.row + near) ||
    (region.col > 0 && mask.left < region.col + near) ||
    (region.row + region.side < slice.rows && mask.bottom + 1 > region.row + region.side - near) ||
    (region.col + region.side < slice.cols && mask.right + 1 > region.col + region.side - near);
  if (!touches) return null;
  const fills = longer(mask) * growth > region.side;
  const side = Math.max(settings.region.expansion * longer(mask), settings.region.minSide, region.side * (fills ? growth : 1));
  const next = snapped(mask, side, slice, settings);
  const same = next.row === region.row && next.col === region.col && next.side === region.side;
  return same ? null : next;
}
