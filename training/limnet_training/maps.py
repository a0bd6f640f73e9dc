"""Click maps: disks and geodesic distances, and the next-click rule. Twins of src/apps/limnet/click and src/evaluate/robot.ts."""

from __future__ import annotations

import cv2
import numpy as np
from numba import njit
from scipy import ndimage

from .flood import flood
from .transfer import transferred

SQRT2 = 1.4142135623730951
GEODESIC = ((20.0, 20.0), (80.0, 30.0))  # (intensity weight, scale)
FLOOD = 20.0  # scale, in grey steps
TRANSFER = {"reach": 6, "contrast": 6.0, "nearness": 3.0}  # pixels, grey steps, pixels


def smooth(image: np.ndarray) -> np.ndarray:
    """Separable [1 2 1]/4 with edge replication, float64."""
    p = np.pad(image.astype(np.float64), 1, mode="edge")
    h = (p[:, :-2] + 2 * p[:, 1:-1] + p[:, 2:]) / 4
    return (h[:-2] + 2 * h[1:-1] + h[2:]) / 4


@njit(cache=True)
def _relax(d, image, weight):
    rows, cols = d.shape
    for _ in range(2):
        for r in range(rows):
            for c in range(cols):
                v, i = d[r, c], image[r, c]
                if c > 0:
                    v = min(v, d[r, c - 1] + 1.0 + weight * abs(i - image[r, c - 1]))
                if r > 0:
                    if c > 0:
                        v = min(v, d[r - 1, c - 1] + SQRT2 + weight * abs(i - image[r - 1, c - 1]))
                    v = min(v, d[r - 1, c] + 1.0 + weight * abs(i - image[r - 1, c]))
                    if c + 1 < cols:
                        v = min(v, d[r - 1, c + 1] + SQRT2 + weight * abs(i - image[r - 1, c + 1]))
                d[r, c] = v
        for r in range(rows - 1, -1, -1):
            for c in range(cols - 1, -1, -1):
                v, i = d[r, c], image[r, c]
                if c + 1 < cols:
                    v = min(v, d[r, c + 1] + 1.0 + weight * abs(i - image[r, c + 1]))
                if r + 1 < rows:
                    if c + 1 < cols:
                        v = min(v, d[r + 1, c + 1] + SQRT2 + weight * abs(i - image[r + 1, c + 1]))
                    v = min(v, d[r + 1, c] + 1.0 + weight * abs(i - image[r + 1, c]))
                    if c > 0:
                        v = min(v, d[r + 1, c - 1] + SQRT2 + weight * abs(i - image[r + 1, c - 1]))
                d[r, c] = v


def geodesic(smoothed: np.ndarray, clicks, weight: float, scale: float) -> np.ndarray:
    """exp(-d / scale); clicks are (row, col) in view pixels; no clicks -> zeros."""
    if len(clicks) == 0:
        return np.zeros(smoothed.shape, np.float32)
    d = np.full(smoothed.shape, 1e6)
    for r, c in clicks:
        d[min(max(int(np.floor(r + 0.5)), 0), d.shape[0] - 1), min(max(int(np.floor(c + 0.5)), 0), d.shape[1] - 1)] = 0
    _relax(d, smoothed, weight)
    return np.exp(-d / scale).astype(np.float32)


def exact_distance(mask: np.ndarray) -> np.ndarray:
    """Euclidean distance of each pixel of the mask to the nearest pixel outside it; the border of the picture is not an outside."""
    if mask.all():
        return np.full(mask.shape, 1e3, np.float32)
    return cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)


def seeds(mask: np.ndarray):
    """Core of a mask and its far outside: where the object of the next slice surely is, and surely is not. Twin of propagation/seeds.ts."""
    inside = exact_distance(mask)
    top = float(inside.max())
    core = mask & (inside >= 0.6 * top) if top >= 2 else mask
    radius = float(np.sqrt(mask.sum() / np.pi))
    outside = exact_distance(~mask) > max(4.0, 0.6 * radius)
    return core, outside


def geodesic_of(smoothed, seed, weight, scale):
    if not seed.any():
        return np.zeros(smoothed.shape, np.float32)
    d = np.where(seed, 0.0, 1e6)
    _relax(d, smoothed, weight)
    return np.exp(-d / scale).astype(np.float32)


def neighbour_maps(smoothed, previous, neighbour) -> np.ndarray:
    """[6, H, W]: the neighbour's probability, then per geodesic setting the maps of its core and its far outside, then the probability as like
    patches of the smoothed neighbour carry it over; zeros for an empty one."""
    mask = previous >= 0.5
    out = np.zeros((6, *smoothed.shape), np.float32)
    out[0] = previous
    if mask.any():
        core, outside = seeds(mask)
        for n, (weight, scale) in enumerate(GEODESIC):
            out[1 + 2 * n] = geodesic_of(smoothed, core, weight, scale)
            out[2 + 2 * n] = geodesic_of(smoothed, outside, weight, scale)
        out[5] = transferred(smoothed, neighbour, previous, **TRANSFER)
    return out


def disks(shape, clicks, radius: float = 3) -> np.ndarray:
    out = np.zeros(shape, np.float32)
    for r, c in clicks:
        r0, r1 = max(0, int(np.floor(r - radius))), min(shape[0], int(np.ceil(r + radius)) + 1)
        c0, c1 = max(0, int(np.floor(c - radius))), min(shape[1], int(np.ceil(c + radius)) + 1)
        if r1 <= r0 or c1 <= c0:
            continue
        yy, xx = np.mgrid[r0:r1, c0:c1]
        out[r0:r1, c0:c1][(yy - r) ** 2 + (xx - c) ** 2 <= radius**2] = 1
    return out


def click_maps(smoothed, previous, positive, negative, blank_geodesic=False) -> np.ndarray:
    """[9, H, W] in the order of nets.CLICK_MAPS; `blank_geodesic`: without geodesic and flood maps."""
    shape = smoothed.shape
    maps = [previous.astype(np.float32), disks(shape, positive), disks(shape, negative)]
    for weight, scale in GEODESIC:
        for clicks in (positive, negative):
            maps.append(np.zeros(shape, np.float32) if blank_geodesic else geodesic(smoothed, clicks, weight, scale))
    for clicks in (positive, negative):
        maps.append(np.zeros(shape, np.float32) if blank_geodesic else flood(smoothed, clicks, FLOOD))
    return np.stack(maps)


def distance(mask: np.ndarray) -> np.ndarray:
    """Distance to the outside, the border of the picture counting as outside."""
    return cv2.distanceTransform(np.pad(mask.astype(np.uint8), 1), cv2.DIST_L2, 5)[1:-1, 1:-1]


def next_click(probability, truth, rng, valid=None):
    """RITM's training rule (specification 1.6): (row, col, positive) or None where nothing is wrong."""
    p = probability >= 0.5
    fn, fp = truth & ~p, p & ~truth
    if valid is not None:
        fn, fp = fn & valid, fp & valid
    dn, dp = distance(fn), distance(fp)
    positive = dn.max() > dp.max()
    d = dn if positive else dp
    if d.max() <= 0:
        return None
    inner = np.argwhere(d > d.max() / 2)
    r, c = inner[rng.integers(len(inner))]
    return float(r), float(c), bool(positive)


def robot_click(mask, truth, clicked):
    """Specification 1.8, exact: first pixel in row-major order of the larger maximum. (row, col, positive) or None."""
    fn, fp = truth & ~mask, mask & ~truth
    best = []
    for m in (fn, fp):
        d = ndimage.distance_transform_edt(np.pad(m, 1))[1:-1, 1:-1]
        d = np.round(d * d)
        for r, c in clicked:
            d[r, c] = 0
        best.append(d)
    if max(best[0].max(), best[1].max()) <= 0:
        return None
    positive = best[0].max() > best[1].max()
    d = best[0] if positive else best[1]
    r, c = np.unravel_index(int(d.argmax()), d.shape)
    return int(r), int(c), bool(positive)
