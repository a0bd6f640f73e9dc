"""Samples from real rounds: a slice, its outline, and the mask that the server's own propagation left on it
(`limnet evaluate --masks FOLDER`, docs/training.md). What the click network meets in use from the second round on."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from . import data, maps
from .samples import as_seen
from .scan import Scan, load_scans

WRONG = 12  # pixels of a slice that have to be wrong


@dataclass
class Left:
    """What one round left: `mask` packed along its last axis, `slices` where enough is wrong, and how often each of them is drawn."""

    scan: Scan
    label: int | None  # None: all labels as one object
    axis: int  # numpy order
    mask: np.ndarray
    slices: np.ndarray
    share: np.ndarray

    def planes(self, t: int):
        """Grey values, outline and mask of slice t, [rows, columns]."""
        take = lambda v: np.take(v, t, self.axis)  # noqa: E731
        labels = take(self.scan.labels)
        mask = np.unpackbits(self.mask[t], axis=-1, count=labels.shape[-1]).astype(bool)
        return take(self.scan.voxels), labels > 0 if self.label is None else labels == self.label, mask


def left_by(scan: Scan, label: int | None, axis: int, mask: np.ndarray) -> Left | None:
    """`mask` [k, j, i] bool, on the grid of the scan. None where no slice has enough that is wrong."""
    truth = np.moveaxis(scan.labels > 0 if label is None else scan.labels == label, axis, 0)
    mask = np.moveaxis(mask, axis, 0)
    area, found, both = (x.reshape(len(x), -1).sum(1) for x in (truth, mask, truth & mask))
    wrong = area + found - 2 * both
    # Slices with an empty mask are like first clicks, and drawn as such elsewhere.
    slices = np.where((wrong >= WRONG) & (found >= WRONG) & (area >= WRONG))[0]
    if len(slices) == 0:
        return None
    # People and the robot turn to the worst slices first; half of the draws are by what is wrong there.
    worst = (wrong[slices] / (area + found)[slices]) ** 2
    share = 0.5 * wrong[slices] / wrong[slices].sum() + 0.5 * worst / worst.sum()
    return Left(scan, label, axis, np.packbits(mask, axis=-1), slices, share / share.sum())


class Rounds:
    """Masks of some folders of `limnet evaluate --masks`; only scans of the train split of the index that they were made with.
    Raises ValueError for a folder with a scan that is not in it: val is never trained on."""

    def __init__(self, folders: list[Path], index: Path, scans: list[Scan]):
        import nibabel

        known = {index.resolve(): {s.id: s for s in scans}}
        self.by_set: dict[str, list[Left]] = defaultdict(list)
        for folder in folders:
            table = json.loads((folder / "rounds.json").read_text())
            own = Path(table.get("index") or index).resolve()
            if own not in known:
                known[own] = {s.id: s for s in load_scans(own, "train", ("volume",))}
            for row in table["rounds"]:
                scan = known[own].get(row["id"])
                if scan is None:
                    raise ValueError(f"{folder}: {row['id']} is not in the train split of {own}: only rounds on train scans can be learnt from (limnet evaluate --split train)")
                mask = np.asarray(nibabel.load(folder / row["mask"]).dataobj).T > 0
                if mask.shape != scan.labels.shape:
                    raise ValueError(f"{folder / row['mask']} has the size {mask.shape}, its scan {scan.labels.shape}")
                left = left_by(scan, None if row["label"] == "any" else int(row["label"]), 2 - row["axis"], mask)
                if left:
                    self.by_set[scan.dataset].append(left)
        if not self.by_set:
            raise ValueError(f"nothing to learn in {', '.join(map(str, folders))}: no slice with {WRONG} wrong pixels")
        self.names = sorted(self.by_set)
        # Sets with many rounds come more often, but no set alone.
        self.p = np.sqrt([len(self.by_set[n]) for n in self.names])
        self.p /= self.p.sum()

    def sample(self, rng, size: int):
        """One view: image [size, size] 0..1, truth bool, the mask that was left as previous mask 0..1. As the engine shows a click on
        it: around that mask and the click; half of them around the outline, too."""
        while True:
            group = self.by_set[self.names[rng.choice(len(self.names), p=self.p)]]
            left = group[rng.integers(len(group))]
            t = int(rng.choice(left.slices, p=left.share))
            plane, outline, mask = left.planes(t)
            if rng.random() < 0.5:
                seen = mask | outline
            else:
                seen = mask.copy()
                r, c, _ = maps.robot_click(mask, outline, [])
                seen[int(r), int(c)] = True
            matrix, scale, longer = data.view_around(seen, 1.3, 2.2, 0.06, size, rng)
            previous = mask.astype(np.float32)
            if rng.random() < 0.5:  # soft, as what was propagated
                previous = cv2.GaussianBlur(previous, (0, 0), rng.uniform(0.4, 1.5))
            plane = as_seen(plane.astype(np.float32), longer, rng)
            lo, hi = data.random_window(left.scan, rng)
            image = data.warp(np.clip((plane - lo) / (hi - lo), 0, 1), matrix, size, scale)
            truth = data.warp(outline.astype(np.float32), matrix, size, scale) >= 0.5
            previous = data.warp(previous, matrix, size, scale)
            if truth.sum() >= WRONG and ((previous >= 0.5) ^ truth).sum() >= WRONG:
                return data.appearance(image[None], rng)[0], truth, previous
