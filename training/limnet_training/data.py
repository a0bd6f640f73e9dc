"""Scans, objects, synthetic volumes and pseudo-objects. Splits by index; `val` is never drawn from for training."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from scipy import ndimage


@dataclass
class Scan:
    """voxels [k, j, i] float32 in real values; labels [k, j, i] int32 (0 = nothing); spacing (k, j, i) mm."""

    id: str
    dataset: str
    voxels: np.ndarray
    labels: np.ndarray
    spacing: tuple
    window: tuple
    ct: bool
    flat: bool = False  # a 2D image
    values: list = field(default_factory=list)
    pseudo: list = field(default_factory=list)


def choose_window(v: np.ndarray) -> tuple[float, float]:
    """Twin of src/apps/limnet/prepare.ts."""
    s = np.sort(v.ravel()[:: max(1, v.size // 400_000)].astype(np.float64))
    s = s[np.isfinite(s)]
    if s[0] <= -500:
        return -160.0, 260.0
    first = int(np.searchsorted(s, s[0], side="right"))
    if len(s) - first < len(s) * 0.05:
        first = 0
    rank = lambda q: float(s[min(len(s) - 1, first + int(q * (len(s) - first)))])  # noqa: E731
    a, b = rank(0.005), rank(0.995)
    return (a, b) if b > a else (a, a + 1)


def load(index: Path, split: str, kinds=("volume", "image")) -> list[Scan]:
    import nibabel
    import SimpleITK

    entries = json.loads(index.read_text())["entries"]
    out = []
    for e in entries:
        if e["split"] != split or e["kind"] not in kinds or not e.get("label"):
            continue
        image, label = index.parent / e["image"], index.parent / e["label"]
        if e["kind"] == "image":
            v = cv2.imread(str(image), cv2.IMREAD_GRAYSCALE)
            m = cv2.imread(str(label), cv2.IMREAD_UNCHANGED)
            if v is None or m is None:
                raise ValueError(f"cannot read {e['id']}")
            m = m if m.ndim == 2 else m[..., 0]
            if max(v.shape) > 520:
                f = 512 / max(v.shape)
                v = cv2.resize(v, None, fx=f, fy=f, interpolation=cv2.INTER_AREA)
                m = cv2.resize(m, (v.shape[1], v.shape[0]), interpolation=cv2.INTER_NEAREST)
            scan = Scan(e["id"], e["dataset"], v[None].astype(np.float32), m[None].astype(np.int32), (1, 1, 1), (0, 255), False, True)
        else:
            if str(image).endswith(".nrrd"):
                im = SimpleITK.ReadImage(str(image))
                v, sp = SimpleITK.GetArrayFromImage(im), im.GetSpacing()[::-1]
                m = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(label)))
            else:
                im = nibabel.load(image)
                v, sp = np.asarray(im.dataobj).T, im.header.get_zooms()[:3][::-1]
                m = np.asarray(nibabel.load(label).dataobj).T
            v = np.nan_to_num(v.squeeze().astype(np.float32))
            window = choose_window(v)
            scan = Scan(e["id"], e["dataset"], v, m.squeeze().astype(np.int32), tuple(map(float, sp)), window, "CT" in e["modality"])
        values, counts = np.unique(scan.labels, return_counts=True)
        scan.values = [int(a) for a, n in zip(values, counts) if a != 0 and n >= 30]
        out.append(scan)
    return out


def axes(scan: Scan) -> list[int]:
    """Stacking axes worth drawing from (numpy order)."""
    if scan.flat:
        return [0]
    return [0, 1, 2] if max(scan.spacing) / min(scan.spacing) < 1.6 else [0]


def smooth_noise(shape, sigma, rng):
    n = ndimage.gaussian_filter(rng.standard_normal(shape).astype(np.float32), sigma, mode="wrap")
    return n / (n.std() + 1e-6)


def pseudo_object(scan: Scan, rng) -> np.ndarray | None:
    """Region of like grey values around a seed of the smoothed scan: teaches the shapes of a scan that nobody drew."""
    block = tuple(slice(a, a + w) for a, w in ((int(rng.integers(max(1, n - 111))), 112) for n in scan.voxels.shape))
    v = scan.voxels if scan.flat else scan.voxels[block]
    sigma = float(rng.choice([0.7, 1.2, 2.0, 3.0]))
    s = ndimage.gaussian_filter(v, (0 if scan.flat else sigma, sigma, sigma))
    lo, hi = scan.window
    s = np.clip((s - lo) / (hi - lo), 0, 1)
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
            if scan.flat:
                return obj
            whole = np.zeros(scan.voxels.shape, bool)
            whole[block] = obj
            return whole
    return None


def synthetic(rng, n_slices=28, side=96) -> Scan:
    """Random deformed ellipsoids, shells and tubes with random appearance; labels 1..n."""
    shape = (n_slices, side, side)
    zz, yy, xx = np.meshgrid(*[np.linspace(-1, 1, n, dtype=np.float32) for n in shape], indexing="ij")
    amp = rng.uniform(0.02, 0.16)
    wz, wy, wx = [smooth_noise(shape, (n_slices / 8, side / 8, side / 8), rng) * amp for _ in range(3)]
    z, y, x = zz + wz, yy + wy, xx + wx
    labels = np.zeros(shape, np.int32)
    image = np.full(shape, rng.uniform(0, 0.6), np.float32)
    texture = smooth_noise(shape, rng.uniform(0.6, 3), rng)
    image += texture * rng.uniform(0, 0.08)
    n = 0
    for _ in range(int(rng.integers(4, 11))):
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
        parts = [(0, 1.0)]
        kind = rng.random()
        if kind < 0.4:  # a wall around a chamber
            t = rng.uniform(0.5, 0.85)
            parts = [(t, 1.0), (0, t)]
        for inner, outer in parts:
            region = (d <= outer) & (d >= inner) if inner else d <= outer
            if inner and rng.random() < 0.3:  # an open wall, as a C
                region &= (u > rng.uniform(-0.6, 0.3) * r[1])
            if region.sum() < 60:
                continue
            n += 1
            labels[region] = n
            level = rng.uniform(0, 1)
            image[region] = level + texture[region] * rng.uniform(0, 0.1)
    if rng.random() < 0.5:
        image += smooth_noise(shape, (n_slices / 3, side / 3, side / 3), rng) * rng.uniform(0, 0.08)
    image = ndimage.gaussian_filter(image, (rng.uniform(0, 0.6), *[rng.uniform(0.2, 1.4)] * 2))
    image += rng.standard_normal(shape).astype(np.float32) * rng.uniform(0, 0.08)
    scan = Scan("synthetic", "synthetic", image, labels, (1.0, 1.0, 1.0), (float(np.quantile(image, 0.005)), float(np.quantile(image, 0.995)) + 1e-3), False)
    values, counts = np.unique(labels, return_counts=True)
    scan.values = [int(a) for a, c in zip(values, counts) if a and c >= 60]
    return scan


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
    if rng.random() < 0.4:
        x = x + rng.standard_normal(x.shape) * rng.uniform(0, 0.06)
    x = np.clip(x, 0, 1)
    return (np.floor(x * 255 + 0.5) / 255).astype(np.float32)


def warp(plane: np.ndarray, matrix: np.ndarray, size: int, scale: float, nearest=False) -> np.ndarray:
    """View of a plane through an affine that maps view pixels to plane pixels; blurred first where it shrinks."""
    if scale > 1.3 and not nearest:
        plane = cv2.GaussianBlur(plane, (0, 0), 0.45 * scale)
    return cv2.warpAffine(plane, matrix, (size, size), flags=(cv2.INTER_NEAREST if nearest else cv2.INTER_LINEAR) | cv2.WARP_INVERSE_MAP)


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


class Pool:
    """All training scans; draws (scan, axis, object mask [n, rows, cols] bool) with the given shares."""

    def __init__(self, scans: list[Scan], rng, shares: dict, n_synthetic=120, n_pseudo=5):
        self.rng, self.shares, self.n_pseudo = rng, shares, n_pseudo
        self.by_set: dict[str, list[Scan]] = {}
        for s in scans:
            self.by_set.setdefault(s.dataset, []).append(s)
        self.synthetic = [synthetic(rng) for _ in range(n_synthetic)] if shares.get("synthetic") else []
        self.names = [n for n in shares if n == "synthetic" or n in self.by_set]
        self.p = np.array([shares[n] for n in self.names], float)
        self.p /= self.p.sum()

    def draw(self, pseudo_share: float):
        """Returns (scan, voxels view [n, r, c], object view [n, r, c], stacking axis)."""
        rng = self.rng
        while True:
            name = self.names[rng.choice(len(self.names), p=self.p)]
            if name == "synthetic":
                n = int(rng.integers(len(self.synthetic)))
                if rng.random() < 0.02:
                    self.synthetic[n] = synthetic(rng)
                scan = self.synthetic[n]
            else:
                scans = self.by_set[name]
                scan = scans[rng.integers(len(scans))]
            obj = None
            if name != "synthetic" and rng.random() < pseudo_share:
                if len(scan.pseudo) < self.n_pseudo or rng.random() < 0.01:
                    made = pseudo_object(scan, rng)
                    if made is not None:
                        if len(scan.pseudo) >= self.n_pseudo:
                            scan.pseudo.pop(0)
                        scan.pseudo.append(np.packbits(made, axis=2))
                if scan.pseudo:
                    obj = np.unpackbits(scan.pseudo[rng.integers(len(scan.pseudo))], axis=2, count=scan.voxels.shape[2]).astype(bool)
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
