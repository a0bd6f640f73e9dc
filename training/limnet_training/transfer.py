"""The neighbour's mask carried over by like patches (patch-based label fusion: Coupé et al., NeuroImage 2011).
Twin of src/apps/limnet/propagation/transfer.ts."""

from __future__ import annotations

import numpy as np
from numba import njit

from .flood import grey_steps

FAR = 8  # patches that differ by more than so many contrasts (root mean square) do not vote


@njit(cache=True)
def _around(mask, row, col, reach):
    """Smallest and largest value of mask [H,W] in the square around a pixel."""
    least, most = 1.0, 0.0
    for y in range(max(row - reach, 0), min(row + reach, mask.shape[0] - 1) + 1):
        for x in range(max(col - reach, 0), min(col + reach, mask.shape[1] - 1) + 1):
            least, most = min(least, mask[y, x]), max(most, mask[y, x])
    return least, most


@njit(cache=True)
def _voted(grey, near, mask, row, col, reach, contrast, nearness):
    """Mean of mask [H,W] over every second pixel of the square, by how like the patches are and how near; grey and near [H+2,W+2] with borders repeated."""
    rows, cols = mask.shape
    weights = total = 0.0
    for y in range(max(row - reach, 0), min(row + reach, rows - 1) + 1):
        for x in range(max(col - reach, 0), min(col + reach, cols - 1) + 1):
            dy, dx = y - row, x - col
            if (dy + dx) % 2 != 0:
                continue
            square = 0
            for b in range(3):
                for a in range(3):
                    difference = grey[row + b, col + a] - near[y + b, x + a]
                    square += difference * difference
            if square > 9 * (FAR * contrast) ** 2:
                continue
            w = np.exp(-square / (9 * contrast * contrast) - (dy * dy + dx * dx) / (2 * nearness * nearness))
            weights += w
            total += w * mask[y, x]
    return total / weights if weights > 0 else mask[row, col]


@njit(cache=True)
def _transfer(grey, near, mask, reach, contrast, nearness):
    out = np.empty(mask.shape, np.float32)
    for row in range(mask.shape[0]):
        for col in range(mask.shape[1]):
            least, most = _around(mask, row, col, reach)
            if most < 0.05 or least > 0.95:
                out[row, col] = mask[row, col]
            else:
                out[row, col] = _voted(grey, near, mask, row, col, reach, contrast, nearness)
    return out


def transferred(smoothed: np.ndarray, neighbour: np.ndarray, probability: np.ndarray, reach: int, contrast: float, nearness: float) -> np.ndarray:
    """What a slice takes from its neighbour's probability [H,W]: each pixel the mean over pixels of the neighbour up to `reach` away (every second
    one, as on a chessboard), weighted by exp(-(mean square difference of the 3 x 3 patches, in grey steps) / contrast^2 - distance^2 / (2 nearness^2)).
    `smoothed`, `neighbour`: the two slices, smoothed, 0..1. Where all around a pixel is sure (below 0.05, above 0.95), or no patch is like, it keeps its own value."""
    grey, near = (np.pad(grey_steps(x), 1, mode="edge") for x in (smoothed, neighbour))
    return _transfer(grey, near, probability.astype(np.float64), reach, contrast, nearness)
