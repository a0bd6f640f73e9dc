"""What a training sample is drawn from: scans with what is made of them, and the views and grey values that vary it."""

from __future__ import annotations

import zlib

import cv2
import numpy as np

from .scan import Scan, axes
from .synthesis import painted, pseudo_object, supervoxel_object, supervoxels, synthetic


def random_window(scan: Scan, rng) -> tuple[float, float]:
    lo, hi = scan.window
    if scan.ct and rng.random() < 0.5:
        centre, width = rng.uniform(0, 110), np.exp(rng.uniform(np.log(180), np.log(900)))
        return centre - width / 2, centre + width / 2
    r = hi - lo
    return lo + r * rng.uniform(-0.15, 0.15), hi + r * rng.uniform(-0.25, 0.15)


def appearance(stack: np.ndarray, rng) -> np.ndarray:
    """Grey-level augmentation of [n, H, W] in 0..1, the same for all slices but the noise."""
    x = np.clip(stack, 0, 1)
    if rng.random() < 0.5:
        x = x ** np.exp(rng.uniform(-0.6, 0.6))
    if rng.random() < 0.12:
        x = 1 - x
    if rng.random() < 0.15:  # a monotone or bent curve
        knots = np.sort(rng.uniform(0, 1, 4)) if rng.random() < 0.6 else rng.uniform(0, 1, 4)
        x = np.interp(x, [0, 0.33, 0.66, 1], knots).astype(np.float32)
    if rng.random() < 0.3:
        yy, xx = np.mgrid[-1 : 1 : x.shape[1] * 1j, -1 : 1 : x.shape[2] * 1j]
        a, b, c = rng.uniform(-0.25, 0.25, 3)
        x = x * (1 + a * yy + b * xx + c * yy * xx)
    if rng.random() < 0.25:
        s = rng.uniform(0.3, 1.3)
        x = np.stack([cv2.GaussianBlur(p.astype(np.float32), (0, 0), s) for p in x])
    if rng.random() < 0.45:  # mostly faint, now and then as strong as in a poor scan
        x = x + rng.standard_normal(x.shape) * (rng.uniform(0, 0.06) if rng.random() < 0.7 else rng.uniform(0.06, 0.16))
    x = np.clip(x, 0, 1)
    return (np.floor(x * 255 + 0.5) / 255).astype(np.float32)


def warp(plane: np.ndarray, matrix: np.ndarray, size: int, scale: float, nearest=False) -> np.ndarray:
    """View of a plane through an affine that maps view pixels to plane pixels; blurred first where it shrinks."""
    if scale > 1.3 and not nearest:
        plane = cv2.GaussianBlur(plane, (0, 0), 0.45 * scale)
    return cv2.warpAffine(plane, matrix, (size, size), flags=(cv2.INTER_NEAREST if nearest else cv2.INTER_LINEAR) | cv2.WARP_INVERSE_MAP)


def box(mask: np.ndarray) -> tuple[tuple[float, float], int]:
    """Centre (row, col) and longer side, in pixels, of the box around a mask that is not empty."""
    rr, cc = np.where(mask.any(1))[0], np.where(mask.any(0))[0]
    return ((rr[0] + rr[-1]) / 2, (cc[0] + cc[-1]) / 2), max(rr[-1] - rr[0], cc[-1] - cc[0]) + 1


def view_around(seen: np.ndarray, low: float, high: float, shift: float, size: int, rng):
    """A random view of `low` to `high` times the box around a mask, its centre off by up to `shift` of its side.
    Returns what view_matrix does, and the longer side of the box."""
    centre, longer = box(seen)
    side = min(max(longer * np.exp(rng.uniform(np.log(low), np.log(high))), 20), max(seen.shape) * 1.2)
    moved = (centre[0] + rng.uniform(-shift, shift) * side, centre[1] + rng.uniform(-shift, shift) * side)
    return *view_matrix(moved, side, size, rng), longer


def view_matrix(centre, side, size, rng, turn=True):
    """Random rotation, flip, stretch about a centre (row, col). Returns 2x3 (x, y order) and the scale plane px per view px."""
    scale = side / size
    angle = (rng.uniform(-np.pi, np.pi) if rng.random() < 0.3 else rng.uniform(-0.35, 0.35)) if turn else 0.0
    stretch = np.exp(rng.uniform(-0.18, 0.18)) if turn else 1.0
    flip = np.array([rng.choice([-1, 1]), rng.choice([-1, 1])]) if turn else np.array([1, 1])
    rot = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    a = rot @ np.diag(flip * np.array([stretch, 1 / stretch])) * scale
    t = np.array([centre[1], centre[0]]) - a @ np.array([(size - 1) / 2, (size - 1) / 2])
    return np.concatenate([a, t[:, None]], 1).astype(np.float64), scale


RENEWED = {"synthetic": 0.02, "painted": 0.02, "pseudo": 0.01}  # share of draws before which what is drawn is made anew
PIECES_FOR = 20  # pseudo-objects that are put together from one set of supervoxels


class Pool:
    """All training scans; draws (scan, axis, object mask [n, rows, cols] bool) with the given shares. What it makes up itself (synthetic and
    painted volumes, pseudo-objects) is a function of the seed, its place and how often that was renewed: `made` holds these counts and goes
    into the checkpoint, so that a resumed run draws the same."""

    def __init__(self, scans: list[Scan], rng, shares: dict, n_synthetic=120, n_pseudo=5, made: dict | None = None):
        self.rng, self.shares, self.n_pseudo, self.n_synthetic = rng, shares, n_pseudo, n_synthetic
        self.made = {"seed": 1, "renewed": {}} if made is None else made
        self.by_set: dict[str, list[Scan]] = {}
        for s in scans:
            self.by_set.setdefault(s.dataset, []).append(s)
        self.volumes: dict[tuple, tuple[int, Scan]] = {}
        self.makers = {name: make for name, make in (("synthetic", synthetic), ("painted", self.painted)) if shares.get(name) and n_synthetic}
        self.names = [n for n in shares if n in self.makers or n in self.by_set]
        self.p = np.array([shares[n] for n in self.names], float)
        self.p /= self.p.sum()

    def painted(self, rng) -> Scan:
        sets = list(self.by_set)
        scans = self.by_set[sets[rng.integers(len(sets))]]
        return painted(scans[rng.integers(len(scans))], rng)

    def count(self, key: tuple, share: float) -> int:
        """How often what has this key was renewed; now and then (`share`) once more."""
        if self.rng.random() < share:
            self.made["renewed"][key] = self.made["renewed"].get(key, 0) + 1
        return self.made["renewed"].get(key, 0)

    def random(self, *key):
        """The generator that belongs to a key of words and numbers."""
        return np.random.default_rng([self.made["seed"], *(k if isinstance(k, int) else zlib.crc32(k.encode()) for k in key)])

    def volume(self, name: str) -> Scan:
        key = (name, int(self.rng.integers(self.n_synthetic)))
        n = self.count(key, RENEWED[name])
        if key not in self.volumes or self.volumes[key][0] != n:
            self.volumes[key] = n, self.makers[name](self.random(*key, n))
        return self.volumes[key][1]

    def pseudo(self, scan: Scan) -> np.ndarray | None:
        """A region of like grey values, or supervoxels: half and half. None where nothing was found."""
        place = int(self.rng.integers(self.n_pseudo))
        n = self.count((scan.id, place), RENEWED["pseudo"])
        if place not in scan.pseudo or scan.pseudo[place][0] != n:
            rng = self.random(scan.id, place, n)
            obj = pseudo_object(scan, rng) if rng.random() < 0.5 else supervoxel_object(scan, self.pieces(scan, (place + self.n_pseudo * n) // PIECES_FOR), rng)
            scan.pseudo[place] = n, None if obj is None else np.packbits(obj, axis=2)
        packed = scan.pseudo[place][1]
        return None if packed is None else np.unpackbits(packed, axis=2, count=scan.voxels.shape[2]).astype(bool)

    def pieces(self, scan: Scan, version: int):
        if scan.pieces is None or scan.pieces[0] != version:
            scan.pieces = version, supervoxels(scan, self.random("pieces", scan.id, version))
        return scan.pieces[1]

    def draw(self, pseudo_share: float):
        """Returns (scan, voxels view [n, r, c], object view [n, r, c], stacking axis)."""
        rng = self.rng
        while True:
            name = self.names[rng.choice(len(self.names), p=self.p)]
            scan = self.volume(name) if name in self.makers else self.by_set[name][rng.integers(len(self.by_set[name]))]
            obj = self.pseudo(scan) if name not in self.makers and rng.random() < pseudo_share else None
            if obj is None:
                if not scan.values:
                    continue
                u = rng.random()
                value = scan.values[rng.integers(len(scan.values))]
                if u < 0.15 and len(scan.values) > 1 and scan.dataset != "dsb2018_nuclei":
                    other = scan.values[rng.integers(len(scan.values))]
                    obj = (scan.labels == value) | (scan.labels == other)
                elif scan.dataset in ("msd_hippocampus",) and u < 0.75:
                    obj = scan.labels > 0
                else:
                    obj = scan.labels == value
            ax = axes(scan)
            axis = ax[0] if len(ax) == 1 else int(rng.choice(ax))
            return scan, np.moveaxis(scan.voxels, axis, 0), np.moveaxis(obj, axis, 0), axis
