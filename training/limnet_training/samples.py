"""Training samples of the click network (specification 1.6): views of slices, the clicks that begin, masks that are to be corrected."""

from __future__ import annotations

import cv2
import numpy as np
from scipy import ndimage

from . import data, infer, maps
from .defects import defective
from .export import SETTINGS

SIZE = 128  # of a view of the whole slice; a zoomed one may be larger
ROUNDS = (0.4, 0.2, 0.18, 0.13, 0.09)  # share of steps after 0, 1, ... passes without gradients
LATE = (5, 15)  # passes of a step on late clicks, the last one excluded
SMOOTHED = 0.3  # share of slices with a large object that are smoothed once or twice, as the engine does with those of noisy scans


def passes(rng, late: float) -> int:
    """How often a step's samples are answered and clicked before it learns; for a share of `late` as long as people who want a slice very good."""
    return int(rng.integers(*LATE)) if late and rng.random() < late else int(rng.choice(len(ROUNDS), p=ROUNDS))


def as_seen(plane, longer, rng):
    """A slice [rows, columns] as the engine shows an object of `longer` pixels: now and then smoothed, where it is large."""
    if longer < SETTINGS["denoise"]["minObject"] or rng.random() >= SMOOTHED:
        return plane
    for _ in range(int(rng.integers(1, 3))):
        plane = maps.smooth(plane)
    return plane


def neighbour_sample(pool: data.Pool, rng, pseudo: float, size: int = SIZE):
    """A slice with the mask of a near slice as previous mask, as propagation leaves it. In four of ten the object has ended: truth is empty.
    In three of ten it has shrunk to less than half: a negative click beside what is left must not take all of it."""
    while True:
        scan, vox, obj, _ = pool.draw(pseudo)
        if scan.flat:
            continue
        area = obj.reshape(len(obj), -1).sum(1)
        inside = np.where(area >= 20)[0]
        if len(inside) < 3:
            continue
        way = int(rng.choice([-1, 1]))
        u = rng.random()
        if u < 0.4:
            known = int(inside[-1] if way > 0 else inside[0]) - way * int(rng.integers(0, 3))
            ends = np.where(area > 0)[0]
            t = int(ends[-1] if way > 0 else ends[0]) + way * int(rng.integers(1, 6))
        elif u < 0.7:
            known = int(inside[rng.integers(len(inside))])
            small = np.where((area > 12) & (area < 0.5 * area[known]) & (np.abs(np.arange(len(area)) - known) <= 20))[0]
            if len(small) == 0:
                continue
            t = int(small[rng.integers(len(small))])
        else:
            known = int(inside[rng.integers(len(inside))])
            t = known + way * int(rng.integers(1, 6))
        if not (0 <= t < len(obj) and 0 <= known < len(obj)) or area[known] < 20:
            continue
        matrix, scale, _ = data.view_around(obj[known] | obj[t], 1.4, 2.6, 0.1, size, rng)
        lo, hi = data.random_window(scan, rng)
        image = data.warp(np.clip((vox[t].astype(np.float32) - lo) / (hi - lo), 0, 1), matrix, size, scale)
        truth = data.warp(obj[t].astype(np.float32), matrix, size, scale) >= 0.5
        previous = data.warp(obj[known].astype(np.float32), matrix, size, scale)
        if rng.random() < 0.3:  # it has leaked
            reach = int(rng.integers(1, 7)) * 2 + 1
            previous = cv2.dilate(previous, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach)))
        if (previous >= 0.5).sum() < 20 or 0 < truth.sum() < 12 or ((previous >= 0.5) ^ truth).sum() < 12:
            continue
        return data.appearance(image[None], rng)[0], truth, previous


def sample(pool: data.Pool, rng, pseudo: float, whole_share: float, size: int = SIZE):
    """One training view: image [size,size] 0..1, truth bool; for a share of `whole_share` the whole slice, as a first click sees it."""
    while True:
        scan, vox, obj, _ = pool.draw(pseudo)
        area = obj.reshape(len(obj), -1).sum(1)
        ok = np.where(area >= (20 if scan.dataset != "hc18_fetal_head" else 100))[0]
        if len(ok) == 0:
            continue
        # Half of the samples where the object is large: people look for such a slice before they click first.
        large = rng.random() < 0.5
        t = int(rng.choice(ok, p=area[ok] / area[ok].sum()) if large else ok[rng.integers(len(ok))])
        mask, plane = obj[t], vox[t]
        if rng.random() < 0.7:  # one click means one piece, mostly
            parts, n = ndimage.label(mask)
            if n > 1:
                sizes = np.bincount(parts.ravel())[1:]
                mask = parts == 1 + rng.choice(n, p=sizes / sizes.sum())
                if mask.sum() < 12:
                    continue
        middle, longer = data.box(mask)
        plane = as_seen(plane, longer, rng)
        whole = max(mask.shape)
        if rng.random() < whole_share:
            side, centre = whole * rng.uniform(0.9, 1.15), (mask.shape[0] / 2 - 0.5, mask.shape[1] / 2 - 0.5)
        else:
            side = min(max(longer * np.exp(rng.uniform(np.log(1.15), np.log(3.5))), 20), whole * 1.2)
            slack = max(0.0, (side - longer) / 2) + 0.1 * longer
            centre = (middle[0] + rng.uniform(-slack, slack), middle[1] + rng.uniform(-slack, slack))
        matrix, scale = data.view_matrix(centre, side, size, rng)
        truth = data.warp(mask.astype(np.float32), matrix, size, scale) >= 0.5
        if truth.sum() < 12:
            continue
        lo, hi = data.random_window(scan, rng)
        image = data.warp(np.clip((plane.astype(np.float32) - lo) / (hi - lo), 0, 1), matrix, size, scale)
        return data.appearance(image[None], rng)[0], truth


def initial_clicks(truth, rng):
    d = maps.distance(truth)
    u = rng.random()
    if u < 0.8:  # one click, as people and the robot give it: in the middle, which tells the size; now and then anywhere
        v = rng.random()
        inner = np.argwhere(d >= d.max() * (0.999 if v < 0.45 else 0.7)) if v < 0.85 else np.argwhere(truth)
        r, c = inner[rng.integers(len(inner))]
        return [(float(r), float(c))], []
    pts = np.argwhere(d > min(2.0, d.max() / 2))
    n = 1 + min(5, rng.geometric(0.35) - 1)
    pos = [tuple(map(float, pts[rng.integers(len(pts))])) for _ in range(n)]
    ring = (maps.distance(~truth) > 1) & (maps.distance(~truth) < max(3.0, 0.3 * np.sqrt(truth.sum())))
    pool = np.argwhere(ring if rng.random() < 0.7 and ring.any() else ~truth)
    neg = [tuple(map(float, pool[rng.integers(len(pool))])) for _ in range(min(4, rng.geometric(0.4) - 1))] if len(pool) else []
    return pos, neg


class Item:
    def __init__(self, pool, rng, pseudo, defects, neighbours, reading="text-order", size=SIZE, whole=(0.2, 0.45), rounds=None, left=0.0):
        """`left`: share of samples from `rounds` (rounds.Rounds). `whole`: share of views of the whole slice among samples that begin from
        a defective mask, and among those that begin from nothing."""
        self.positive, self.negative, self.last = [], [], None
        given, exact = None, 0.6
        if left and rng.random() < left:
            given, exact = rounds.sample(rng, size), 0.7
        elif rng.random() < neighbours:
            given = neighbour_sample(pool, rng, 0.5 * pseudo, size)
        if given:
            self.image, self.truth, self.previous = given
            self.smooth, self.blank = maps.smooth(self.image), rng.random() < 0.2
            self.add(rng, exact)
            return
        bad = rng.random() < defects
        self.image, self.truth = sample(pool, rng, pseudo, whole[0] if bad else whole[1], size)
        self.smooth = maps.smooth(self.image)
        self.previous = np.zeros((size, size), np.float32)
        self.blank = rng.random() < 0.2
        if bad:
            self.previous = defective(self.truth, rng, reading).astype(np.float32)
            if rng.random() < 0.5:  # soft, as a propagated probability
                self.previous = cv2.GaussianBlur(self.previous, (0, 0), rng.uniform(0.5, 2.5))
            self.add(rng)
        else:
            self.positive, self.negative = initial_clicks(self.truth, rng)

    def add(self, rng, exact=0.45):
        """One more click where the mask is most wrong: for a share of `exact` in the very middle of the error, else somewhere inside it."""
        if rng.random() < exact:
            click = maps.robot_click(self.previous >= 0.5, self.truth, [])
        else:
            click = maps.next_click(self.previous, self.truth, rng)
        self.last = click
        if click is not None:
            (self.positive if click[2] else self.negative).append(click[:2])

    def take(self, answer):
        """The network's answer becomes the previous mask; from some click on only at the place of the last click, as in use."""
        if self.last is not None and len(self.positive) + len(self.negative) >= SETTINGS["click"]["local"]:
            answer = infer.local_change(self.previous, answer, self.last)
        self.previous = answer

    def maps(self):
        return maps.click_maps(self.smooth, self.previous, self.positive, self.negative, self.blank)
