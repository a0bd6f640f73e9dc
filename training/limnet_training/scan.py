"""Labelled scans of an index, by split; `val` is never drawn from for training."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np


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
    pseudo: dict = field(default_factory=dict)  # made of it by the pool: place -> (times renewed, packed object or None)
    pieces: tuple | None = None  # its supervoxels: (version, what synthesis.supervoxels made)


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


def load_scans(index: Path, split: str, kinds=("volume", "image")) -> list[Scan]:
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
