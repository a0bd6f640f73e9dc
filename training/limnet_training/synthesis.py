"""Objects that nobody drew: whole synthetic volumes, shapes painted into real scans, regions of like grey values, supervoxels."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from .scan import Scan

BLOCK = 112  # the longest side of what is cut out of a scan, voxels


def smooth_noise(shape, sigma, rng):
    n = ndimage.gaussian_filter(rng.standard_normal(shape).astype(np.float32), sigma, mode="wrap")
    return n / (n.std() + 1e-6)


def block_of(scan: Scan, rng, longest=BLOCK) -> tuple[slice, ...]:
    """A random block of the scan."""
    return tuple(slice(a, a + longest) for a in (int(rng.integers(max(1, n - longest + 1))) for n in scan.voxels.shape))


def grey(scan: Scan, voxels: np.ndarray) -> np.ndarray:
    lo, hi = scan.window
    return np.clip((voxels - lo) / (hi - lo), 0, 1).astype(np.float32)


def pseudo_object(scan: Scan, rng) -> np.ndarray | None:
    """Region of like grey values around a seed of the smoothed scan: teaches the shapes of a scan that nobody drew."""
    block = block_of(scan, rng)
    v = scan.voxels if scan.flat else scan.voxels[block]
    sigma = float(rng.choice([0.7, 1.2, 2.0, 3.0]))
    s = grey(scan, ndimage.gaussian_filter(v, (0 if scan.flat else sigma, sigma, sigma)))
    for _ in range(6):
        seed = tuple(int(rng.integers(n)) for n in v.shape)
        a, b = rng.uniform(0.03, 0.2, 2)
        c = s[seed]
        if c < 0.02:
            continue
        mask = (s > c - a) & (s < c + b)
        if rng.random() < 0.5:
            mask = ndimage.binary_opening(mask, iterations=1)
            mask[seed] = True
        lab, _ = ndimage.label(mask)
        obj = lab == lab[seed]
        n = obj.sum()
        if (60 if scan.flat else 200) < n < (0.35 if scan.flat else 0.15) * obj.size:
            if rng.random() < 0.4:
                obj = ndimage.binary_closing(np.pad(obj, 2), iterations=2)[2:-2, 2:-2, 2:-2] if not scan.flat else obj
            if rng.random() < 0.4:
                obj = np.stack([ndimage.binary_fill_holes(x) for x in obj])
            return whole_of(scan, block, obj)
    return None


def whole_of(scan: Scan, block, obj: np.ndarray) -> np.ndarray:
    if scan.flat:
        return obj
    whole = np.zeros(scan.voxels.shape, bool)
    whole[block] = obj
    return whole


def supervoxels(scan: Scan, rng):
    """(block, labels 0..n-1, mean grey value of each, pairs of neighbours [m, 2]) of a random block of a scan: pieces that follow its edges (SLIC)."""
    from skimage.segmentation import slic

    block = tuple(slice(None) for _ in scan.voxels.shape) if scan.flat else block_of(scan, rng)
    v = grey(scan, scan.voxels[block])
    size = np.exp(rng.uniform(np.log(120), np.log(600))) if scan.flat else np.exp(rng.uniform(np.log(200), np.log(3000)))
    labels = slic(v, n_segments=max(8, int(v.size / size)), compactness=float(np.exp(rng.uniform(np.log(0.02), np.log(0.15)))), sigma=rng.uniform(0.5, 1.5) * (0 if scan.flat else 1),
                  spacing=scan.spacing, channel_axis=None, start_label=0, max_num_iter=5).astype(np.int32)
    means = ndimage.mean(v, labels, np.arange(labels.max() + 1))
    pairs = []
    for axis in range(3):
        a, b = np.moveaxis(labels, axis, 0)[:-1].ravel(), np.moveaxis(labels, axis, 0)[1:].ravel()
        pairs.append(np.unique(np.stack([a, b], 1)[a != b], axis=0))
    return block, labels, np.nan_to_num(means), np.concatenate(pairs)


def supervoxel_object(scan: Scan, made, rng) -> np.ndarray | None:
    """One supervoxel, or several of like grey values that touch (after Ouyang et al., ECCV 2020: superpixels as labels)."""
    block, labels, means, pairs = made
    for _ in range(8):
        seed = int(labels.flat[rng.integers(labels.size)])
        if means[seed] < 0.03:
            continue
        taken, wide = {seed}, rng.uniform(0.03, 0.12)
        for _ in range(int(rng.integers(0, 9))):
            inside = np.isin(pairs, list(taken))
            around = pairs[inside[:, 0] ^ inside[:, 1]].ravel()
            around = [int(n) for n in np.unique(around) if n not in taken and abs(means[n] - means[seed]) < wide]
            if not around:
                break
            taken.add(around[int(rng.integers(len(around)))])
        obj = np.isin(labels, list(taken))
        if rng.random() < 0.7:  # without the frayed rim
            obj = ndimage.gaussian_filter(obj.astype(np.float32), (0, 1, 1) if scan.flat else 1.0) > 0.5
        if (60 if scan.flat else 200) < obj.sum() < 0.3 * obj.size:
            return whole_of(scan, block, obj)
    return None


def shapes(shape, rng):
    """Deformed ellipsoids, walls around chambers (some open as a C, some with a crescent beside them) and tubes.
    Yields (region bool [k, j, i], name of its material: regions that share one look alike)."""
    zz, yy, xx = np.meshgrid(*[np.linspace(-1, 1, n, dtype=np.float32) for n in shape], indexing="ij")
    amp = rng.uniform(0.02, 0.16)
    wz, wy, wx = [smooth_noise(shape, tuple(max(0.5, n / 8) for n in shape), rng) * amp for _ in range(3)]
    z, y, x = zz + wz, yy + wy, xx + wx
    for n in range(int(rng.integers(4, 11))):
        c = rng.uniform(-0.75, 0.75, 3)
        r = np.exp(rng.uniform(np.log(0.12), np.log(0.65), 3))
        if rng.random() < 0.5:
            r[1:] = r[1] * rng.uniform(0.8, 1.2, 2)
        angle = rng.uniform(0, np.pi)
        tilt = rng.uniform(-0.6, 0.6, 2)
        dz = z - c[0]
        dy, dx = y - c[1] - tilt[0] * dz, x - c[2] - tilt[1] * dz
        u, w = np.cos(angle) * dy - np.sin(angle) * dx, np.sin(angle) * dy + np.cos(angle) * dx
        power = rng.choice([2.0, 2.0, 4.0])
        d = (np.abs(dz / r[0]) ** power + np.abs(u / r[1]) ** power + np.abs(w / r[2]) ** power) ** (1 / power)
        if rng.random() >= 0.6:
            yield d <= 1, f"body {n}"
            continue
        t = rng.uniform(0.5, 0.88)
        wall, chamber = (d <= 1) & (d >= t), d < t
        if rng.random() < 0.3:  # strands of the wall inside the chamber
            strands = chamber & (smooth_noise(shape, 1.5, rng) > rng.uniform(1.2, 2.2)) & (d > t * 0.5)
            chamber &= ~strands
            if rng.random() < 0.5:
                wall |= strands
        if rng.random() < 0.25:
            wall &= u > rng.uniform(-0.6, 0.3) * r[1]
        if rng.random() < 0.35:  # a second chamber that clasps the wall
            shift = rng.uniform(0.4, 1.1)
            second = (np.abs(dz / r[0]) ** 2 + np.abs((u - shift * r[1]) / r[1]) ** 2 + np.abs(w / r[2] / rng.uniform(0.7, 1.2)) ** 2 <= rng.uniform(0.7, 1.3)) & (d > 1.02)
            yield second, f"chamber {n}" if rng.random() < 0.7 else f"body {n}"
        yield wall, f"wall {n}"
        yield chamber, f"chamber {n}"


def finished(name: str, image, labels, spacing=(1.0, 1.0, 1.0)) -> Scan:
    scan = Scan(name, name, image, labels, spacing, (float(np.quantile(image, 0.005)), float(np.quantile(image, 0.995)) + 1e-3), False)
    values, counts = np.unique(labels, return_counts=True)
    scan.values = [int(a) for a, c in zip(values, counts) if a and c >= 60]
    return scan


def synthetic(rng, n_slices=28, side=96) -> Scan:
    """Random shapes with random appearance; labels 1..n."""
    shape = (n_slices, side, side)
    labels = np.zeros(shape, np.int32)
    image = np.full(shape, rng.uniform(0, 0.6), np.float32)
    texture = smooth_noise(shape, rng.uniform(0.6, 3), rng)
    image += texture * rng.uniform(0, 0.08)
    levels: dict[str, float] = {}
    for region, material in shapes(shape, rng):
        if region.sum() < 60:
            continue
        labels[region] = labels.max() + 1
        image[region] = levels.setdefault(material, rng.uniform(0, 1)) + texture[region] * rng.uniform(0, 0.1)
    if rng.random() < 0.5:
        image += smooth_noise(shape, (n_slices / 3, side / 3, side / 3), rng) * rng.uniform(0, 0.08)
    image = ndimage.gaussian_filter(image, (rng.uniform(0, 0.6), *[rng.uniform(0.2, 1.4)] * 2))
    image += rng.standard_normal(shape).astype(np.float32) * rng.uniform(0, 0.08)
    return finished("synthetic", image, labels)


def painted(scan: Scan, rng) -> Scan:
    """The same shapes painted into a block of a real scan, with soft edges and a share of its own texture: real surroundings, true outlines."""
    if scan.flat:
        block = (slice(0, 1), *block_of(scan, rng, 192)[1:])
    else:
        block = block_of(scan, rng)
    image = grey(scan, scan.voxels[block])
    fine = image - ndimage.gaussian_filter(image, 2.0)
    texture = smooth_noise(image.shape, (0.5 if scan.flat else rng.uniform(0.6, 2), *[rng.uniform(0.6, 3)] * 2), rng)
    labels = np.zeros(image.shape, np.int32)
    edge, levels = rng.uniform(0.3, 1.3), {}
    for region, material in shapes(image.shape, rng):
        if region.sum() < 60:
            continue
        labels[region] = labels.max() + 1
        if material not in levels:
            around = float(np.median(image[region]))
            far = rng.uniform(0.12, 0.5) * rng.choice([-1, 1])
            levels[material] = np.clip(around + far, 0, 1) if rng.random() < 0.7 else rng.uniform(0, 1), rng.uniform(0, 0.06), rng.uniform(0, 1.2)
        level, rough, own = levels[material]
        alpha = ndimage.gaussian_filter(region.astype(np.float32), (0 if scan.flat else edge * 0.6, edge, edge))
        image = image * (1 - alpha) + alpha * (level + rough * texture + own * fine)
    return finished("painted", image.astype(np.float32), labels, scan.spacing)
