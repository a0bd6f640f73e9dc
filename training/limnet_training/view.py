"""The square view: twin of src/apps/limnet/view.ts."""

from __future__ import annotations

import numpy as np


def _matrix(origin: float, side: float, size: int, length: int) -> np.ndarray:
    scale = side / size
    support = max(1.0, scale)
    centre = origin + (np.arange(size) + 0.5) * scale
    first = np.floor(centre - support)
    width = int(np.ceil(support * 2)) + 2
    index = first[:, None] + np.arange(width)[None]
    w = np.maximum(0, 1 - np.abs(index + 0.5 - centre[:, None]) / support)
    w /= w.sum(1, keepdims=True)
    m = np.zeros((size, length))
    for o in range(size):
        ok = (index[o] >= 0) & (index[o] < length)
        m[o, index[o][ok].astype(int)] += w[o][ok]
    return m


def extract(plane: np.ndarray, view, size: int) -> np.ndarray:
    """plane [rows, cols], view (row, col, side) -> [size, size] float32; 0 outside the plane."""
    r, c, side = view
    return (_matrix(r, side, size, plane.shape[0]) @ plane.astype(np.float64) @ _matrix(c, side, size, plane.shape[1]).T).astype(np.float32)


def paste(patch: np.ndarray, view, plane: np.ndarray) -> None:
    """Bilinear, half-pixel, edges clamped; pixels whose centre is outside the view stay."""
    r, c, side = view
    size = patch.shape[0]
    scale = size / side
    rows = np.arange(max(0, int(np.ceil(r - 0.5))), min(plane.shape[0] - 1, int(np.floor(r + side - 0.5))) + 1)
    cols = np.arange(max(0, int(np.ceil(c - 0.5))), min(plane.shape[1] - 1, int(np.floor(c + side - 0.5))) + 1)
    if len(rows) == 0 or len(cols) == 0:
        return
    y = np.clip((rows + 0.5 - r) * scale - 0.5, 0, size - 1)
    x = np.clip((cols + 0.5 - c) * scale - 0.5, 0, size - 1)
    y0, x0 = y.astype(int), x.astype(int)
    y1, x1 = np.minimum(y0 + 1, size - 1), np.minimum(x0 + 1, size - 1)
    fy, fx = (y - y0)[:, None], (x - x0)[None]
    above = patch[np.ix_(y0, x0)] * (1 - fx) + patch[np.ix_(y0, x1)] * fx
    below = patch[np.ix_(y1, x0)] * (1 - fx) + patch[np.ix_(y1, x1)] * fx
    plane[np.ix_(rows, cols)] = above * (1 - fy) + below * fy


def box_view(mask: np.ndarray, expansion: float, min_side: float, points=()):
    """Square view around a mask (and points), not larger than the square of the slice's longer side. None for an empty one."""
    rows, cols = mask.shape
    whole = whole_view(mask.shape)
    rr, cc = np.where(mask.any(1))[0], np.where(mask.any(0))[0]
    ys = list(rr[[0, -1]]) if len(rr) else []
    xs = list(cc[[0, -1]]) if len(cc) else []
    ys += [p[0] for p in points]
    xs += [p[1] for p in points]
    if not ys:
        return None
    r0, r1, c0, c1 = min(ys), max(ys) + 1, min(xs), max(xs) + 1
    side = min(max(expansion * max(r1 - r0, c1 - c0), min_side), whole[2])
    return (r0 + r1 - side) / 2, (c0 + c1 - side) / 2, side


def whole_view(shape):
    side = max(shape)
    return (shape[0] - side) / 2, (shape[1] - side) / 2, side
