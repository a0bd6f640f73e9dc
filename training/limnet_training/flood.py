"""Flood maps: the tolerance at which a region grown from a click takes a pixel (fuzzy connectedness: Udupa, Samarasekera, 1996).
Twin of src/apps/limnet/click/flood.ts."""

from __future__ import annotations

import numpy as np
from numba import njit

LEVELS = 256


@njit(cache=True)
def _grow(grey, seed, tolerance):
    """Lowers `tolerance` [H*W] to that of a region grown from pixel `seed` of `grey` [H,W] over four neighbours."""
    rows, cols = grey.shape
    flat = grey.ravel()
    first = np.full(LEVELS, -1, np.int32)
    following = np.zeros(rows * cols, np.int32)
    reached = np.zeros(rows * cols, np.bool_)
    own, level = flat[seed], 0
    reached[seed] = True
    following[seed], first[0] = -1, seed
    while level < LEVELS:
        pixel = first[level]
        if pixel < 0:
            level += 1
            continue
        first[level] = following[pixel]
        if level < tolerance[pixel]:
            tolerance[pixel] = level
        row, col = pixel // cols, pixel % cols
        for way in range(4):
            r = row + (1 if way == 0 else -1 if way == 1 else 0)
            c = col + (1 if way == 2 else -1 if way == 3 else 0)
            if r < 0 or c < 0 or r >= rows or c >= cols or reached[r * cols + c]:
                continue
            q = r * cols + c
            reached[q] = True
            at = max(level, abs(flat[q] - own))
            following[q] = first[at]
            first[at] = q


def grey_steps(smoothed: np.ndarray) -> np.ndarray:
    """The grey steps 0..255 of a smoothed picture (0..1), rounded half up: what regions and patches are compared by."""
    return np.clip(np.floor(smoothed * 255 + 0.5), 0, 255).astype(np.int32)


def flood(smoothed: np.ndarray, clicks, scale: float) -> np.ndarray:
    """exp(-t / scale), t the least tolerance in grey steps (smoothed [H,W] 0..1 in 255 steps); clicks are (row, col) in view pixels; no clicks -> zeros."""
    if len(clicks) == 0:
        return np.zeros(smoothed.shape, np.float32)
    grey = grey_steps(smoothed)
    tolerance = np.full(grey.size, LEVELS - 1, np.int32)
    rows, cols = grey.shape
    for r, c in clicks:
        _grow(grey, min(max(int(np.floor(r + 0.5)), 0), rows - 1) * cols + min(max(int(np.floor(c + 0.5)), 0), cols - 1), tolerance)
    return np.exp(-tolerance / scale).astype(np.float32).reshape(grey.shape)
