"""Clips of slices that the propagation network learns from (specification 2.8): object ends are common, prompts imperfect, walks long."""

from __future__ import annotations

import cv2
import numpy as np

from . import data
from .defects import defective

SIZE, LENGTH = 128, 6


def drift(matrix, size, rng):
    """A slightly moved view: the next frame made from a single picture."""
    a, s = rng.normal(0, 0.06), np.exp(rng.normal(0, 0.05))
    r = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]) * s
    c = np.array([(size - 1) / 2] * 2)
    out = matrix.copy()
    out[:, :2] = matrix[:, :2] @ r
    out[:, 2] = matrix[:, 2] + matrix[:, :2] @ (c - r @ c) + matrix[:, :2] @ rng.normal(0, 3, 2)
    return out


def walk_length(rng) -> int:
    """Slices that a clip runs through on its own results before those that are learnt from: drift adds up over them, as in use."""
    u = rng.random()
    return 0 if u < 0.4 else int(rng.integers(2, 6)) if u < 0.7 else int(rng.integers(6, 14))


def clip(pool: data.Pool, rng, pseudo: float, ends: float, walk: int = 0):
    """images [n+1,H,W] 0..1, truths [n+1,H,W] bool, n = LENGTH + walk; frame n is a second prompt (a copy of frame 0 where there is none).
    The object is there on frame `walk`, the last that is not learnt from."""
    count = LENGTH + walk
    while True:
        scan, vox, obj, _ = pool.draw(pseudo)
        if scan.flat:
            if walk:
                continue
            index, moving = [0] * (LENGTH + 1), True
            t0 = 0
        else:
            moving = False
            area = obj.reshape(len(obj), -1).sum(1)
            inside = np.where(area >= 12)[0]
            if len(inside) < 2 + walk or len(obj) < LENGTH:
                continue
            step = int(rng.choice([1, 2, 3], p=[0.72, 0.2, 0.08])) if len(inside) > 12 + 3 * walk else 1
            way = int(rng.choice([-1, 1]))
            if rng.random() < ends:
                end = inside[-1] if way > 0 else inside[0]
                t0 = int(end - way * step * (walk + rng.integers(0, 4)) - way * rng.integers(0, step))
            else:
                t0 = int(inside[rng.integers(len(inside))])
            index = [t0 + way * step * n for n in range(count)]
            if not (0 <= t0 < len(obj)) or area[t0] < 12 or not (0 <= index[walk + 3] < len(obj)) or (walk and area[index[walk]] < 12):
                continue
            index = [min(max(i, 0), len(obj) - 1) for i in index]
            other = t0
            if rng.random() < 0.4:
                far = inside[np.abs(inside - t0) <= 14]
                other = int(far[rng.integers(len(far))])
            index.append(other)
        # The view holds the object's way: in use it moves along.
        m0 = obj[t0] if walk == 0 else obj[index[0]] | obj[index[walk // 2]] | obj[index[walk]]
        if not m0.any():
            continue
        middle, longer = data.box(m0)
        side = min(max(longer * np.exp(rng.uniform(np.log(1.3), np.log(2.8))), 22), max(m0.shape) * 1.1)
        slack = 0.15 * longer
        centre = (middle[0] + rng.uniform(-slack, slack), middle[1] + rng.uniform(-slack, slack))
        matrix, scale = data.view_matrix(centre, side, SIZE, rng)
        lo, hi = data.random_window(scan, rng)
        images, truths = [], []
        for n, i in enumerate(index):
            if moving and n:
                matrix = drift(matrix, SIZE, rng)
            truths.append(data.warp(obj[i].astype(np.float32), matrix, SIZE, scale) >= 0.5)
            images.append(data.warp(np.clip((vox[i].astype(np.float32) - lo) / (hi - lo), 0, 1), matrix, SIZE, scale))
        if truths[0].sum() < 12:
            continue
        return data.appearance(np.stack(images), rng), np.stack(truths)


def prompt(truth, rng, defects, reading="text-order"):
    """The mask that the clip starts from: true, or as a click leaves it."""
    m = truth
    if truth.sum() >= 12 and rng.random() < defects:
        bad = defective(truth, rng, reading)
        union = (bad | truth).sum()
        if (bad & truth).sum() > 0.6 * union:
            m = bad
    m = m.astype(np.float32)
    return cv2.GaussianBlur(m, (0, 0), rng.uniform(0.4, 1.5)) if rng.random() < 0.5 else m
