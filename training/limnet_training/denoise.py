"""Noise of a scan, and slices without much of it. Twin of src/apps/limnet/denoise.ts. Planes are 0..1 with 255 steps, noise is in these steps."""

from __future__ import annotations

import numpy as np

from . import maps
from .export import SETTINGS


def noise_of(planes) -> float:
    """Standard deviation of the noise of some planes, by the median of the difference of two Laplacians (Immerkaer, CVIU 1996)."""
    found = []
    for plane in planes:
        g = np.floor(plane * 255 + 0.5).astype(int)
        if min(g.shape) < 3:
            continue
        v = 4 * g[1:-1, 1:-1] - 2 * (g[1:-1, 2:] + g[1:-1, :-2] + g[2:, 1:-1] + g[:-2, 1:-1]) + g[2:, 2:] + g[2:, :-2] + g[:-2, 2:] + g[:-2, :-2]
        inside = (g[1:-1, 1:-1] >= 8) & (g[1:-1, 1:-1] <= 247)
        found.append(np.abs(v)[::2, ::2][inside[::2, ::2]])
    found = np.sort(np.concatenate(found)) if found else np.zeros(0)
    return float(found[(len(found) - 1) // 2] / 6 / 0.6745) if len(found) else 0.0


def noise_of_scan(volume, looks: int = 9) -> float:
    """volume [slices, rows, columns]."""
    step = max(1.0, len(volume) / looks)
    return noise_of(volume[int((n + 0.5) * step)] for n in range(min(looks, len(volume))))


def passes_for(noise: float, longest: float) -> int:
    """How often a slice is smoothed where an object of `longest` pixels is looked at."""
    settings = SETTINGS["denoise"]
    return 0 if longest < settings["minObject"] else sum(noise >= start for start in settings["noise"])


def denoised(plane, passes: int):
    """[rows, columns], smoothed so many times, in whole steps."""
    if passes == 0:
        return plane
    g = np.floor(plane * 255 + 0.5)
    for _ in range(passes):
        g = np.floor(maps.smooth(g) + 0.5)
    return (g / 255).astype(plane.dtype)
