"""The last step of a round: random walker with a prior (Grady 2005).

Twin of src/apps/limnet/walker, but for the coarser lattice that the runtime takes for objects wider than 128 pixels.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from scipy import ndimage

FAINT, MARGIN, LEAST = 13 / 255, 4, 1e-3


def smooth(planes: np.ndarray) -> np.ndarray:
    """Gaussian of sigma 0.4 in the slice: taps 0.042, 0.916, 0.042, border repeated. Rows first, as the runtime does it."""
    for axis in (2, 1):
        pad = [(1, 1) if a == axis else (0, 0) for a in range(3)]
        p = np.pad(planes, pad, mode="edge")
        take = lambda a, b: np.take(p, range(a, p.shape[axis] - b), axis)  # noqa: E731
        planes = 0.042 * (take(0, 2) + take(2, 0)) + 0.916 * take(1, 1)
    return planes


def _sides(axis):
    low, high = [slice(None)] * 3, [slice(None)] * 3
    low[axis], high[axis] = slice(None, -1), slice(1, None)
    return tuple(low), tuple(high)


def walk(volume: np.ndarray, probability: np.ndarray, prompts, contrast=30.0, across=2.0, trust=0.003, iterations=40, deep=None, levels=None, corrected=(), outlined=()) -> np.ndarray:
    """volume [n,r,c] 0..1, probability [n,r,c] with the prompt slices (indices) in it -> new probability; prompt slices stay.
    `deep`: see deepness.
    Between two prompts, and beside those that were corrected, the mask may begin below 0.5 (`levels`; `outlined`: prompts that were drawn; walker/levels.ts)."""
    seen = probability >= FAINT
    if not seen.any():
        return probability.copy()
    found = ndimage.find_objects(seen.astype(np.uint8))[0]
    box = tuple(slice(max(0, s.start - MARGIN), min(n, s.stop + MARGIN)) for s, n in zip(found, volume.shape))
    grey = smooth(volume[box].astype(np.float64))
    grey /= grey.std() + 1e-6
    prior = probability[box].astype(np.float64)
    inside = sorted(t - box[0].start for t in prompts if box[0].start <= t < box[0].stop)
    if deep:
        trust *= deepness(probability, prompts, **deep)
    pull = trust * np.abs(2 * prior - 1) + 1e-6
    free = np.ones(prior.shape)
    free[inside] = 0
    weights = [(np.exp(-contrast * np.diff(grey, axis=a) ** 2) + LEAST) * (across if a == 0 else 1) for a in range(3)]

    def laplace(x):
        out = pull * x
        for axis, w in enumerate(weights):
            flow = np.diff(x, axis=axis) * w
            low, high = _sides(axis)
            out[low] -= flow
            out[high] += flow
        return out

    degree = pull.copy()
    for axis, w in enumerate(weights):
        low, high = _sides(axis)
        degree[low] += w
        degree[high] += w
    inverse = free / degree
    x = prior.copy()
    residual = (pull * prior - laplace(x)) * free
    direction = residual * inverse
    slope = float((residual * direction).sum())
    for _ in range(iterations):
        if slope <= 1e-10 * x.size:
            break
        product = laplace(direction)
        step = slope / float((direction * product).sum())
        x += step * direction
        residual = (residual - step * product) * free
        following = float((residual * residual * inverse).sum())
        direction = residual * inverse + following / slope * direction
        slope = following
    out = probability.copy()
    out[box] = np.clip(x, 0, 1)
    for t in prompts:
        out[t] = probability[t]
    if levels:
        full = {t for t in prompts if (out[t] >= 0.5).any()}
        for low, high in pairwise([-1, *sorted(prompts), len(out)]):
            beside = full & {low, high}
            level = 0.5
            if len(beside) == 2:
                level = levels["corrected" if beside <= {*corrected, *outlined} else "between"]
            elif beside and beside <= set(corrected):
                level = levels["beyond"]
            out[low + 1 : high] = levelled(out[low + 1 : high], level)
    return out


def deepness(probability: np.ndarray, prompts, pixels: float, most: float) -> float:
    """How much more the network is trusted of an object that is deeper on its prompts than so many pixels. Twin of walker/trust.ts."""
    masks = [m for m in (probability[t] >= 0.5 for t in prompts) if m.any()]
    if not masks:
        return 1.0
    depth = np.mean([ndimage.distance_transform_edt(np.pad(m, 1)).max() for m in masks])
    return float(min(most, max(1.0, (depth / pixels) ** 2)))


def levelled(p: np.ndarray, level: float) -> np.ndarray:
    """Probabilities bent so that `level` becomes 0.5; 0 and 1 stay. Twin of walker/levels.ts."""
    return np.where(p < level, p * 0.5 / level, 1 - (1 - p) * 0.5 / (1 - level)).astype(p.dtype)
