"""python -m limnet_training walls: walls around chambers, painted into real scans, as a small index of their own. No set at hand has
thin-walled organs with outlines by hand; this tells at least whether a wall is followed at all (`limnet evaluate --index OUT/index.json --dataset walls`)."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from scipy import ndimage

from .scan import load_scans
from .synthesis import painted


def is_wall(mask: np.ndarray) -> bool:
    """mask [k, j, i]: on most of its slices it encloses a hole, on eight at least, and it does not touch the scan's border."""
    area = mask.reshape(len(mask), -1).sum(1)
    slices = np.where(area > 60)[0]
    if len(slices) < 8 or mask[:, [0, -1]].any() or mask[:, :, [0, -1]].any():
        return False
    return np.mean([ndimage.binary_fill_holes(mask[k]).sum() > 1.4 * area[k] for k in slices]) > 0.5


def main(argv=None):
    import nibabel

    p = argparse.ArgumentParser(prog="limnet_training walls", description=__doc__)
    p.add_argument("--index", type=Path, required=True)
    p.add_argument("--split", default="val")
    p.add_argument("--count", type=int, default=8)
    p.add_argument("--seed", type=int, default=5)
    p.add_argument("--out", type=Path, required=True)
    a = p.parse_args(argv)
    rng = np.random.default_rng(a.seed)
    scans = [s for s in load_scans(a.index, a.split, ("volume",)) if min(s.voxels.shape[1:]) > 70]
    if not scans:
        raise SystemExit(f"No scan of the split {a.split} in {a.index} is larger than 70 voxels in its slices.")
    a.out.mkdir(parents=True, exist_ok=True)
    entries = []
    while len(entries) < a.count:
        base = scans[rng.integers(len(scans))]
        made = painted(base, rng)
        walls = [v for v in made.values if is_wall(made.labels == v)]
        if not walls:
            continue
        name, affine = f"wall_{len(entries)}", np.diag([-made.spacing[2], -made.spacing[1], made.spacing[0], 1])
        voxels = np.round(np.clip(made.voxels, -0.2, 1.2) * 1000).astype(np.int16)
        nibabel.save(nibabel.Nifti1Image(voxels.T, affine), a.out / f"{name}_image.nii.gz")
        nibabel.save(nibabel.Nifti1Image((made.labels == walls[0]).astype(np.uint8).T, affine), a.out / f"{name}_label.nii.gz")
        entries.append({"id": f"walls/{name}", "dataset": "walls", "case": name, "split": a.split, "kind": "volume", "image": f"{name}_image.nii.gz", "label": f"{name}_label.nii.gz",
                        "modality": "MR", "shape": list(voxels.shape[::-1]), "spacing_mm": list(made.spacing[::-1]), "labels": {"1": "wall"}, "note": f"painted into {base.id}"})
        print(name, voxels.shape[::-1], base.id, flush=True)
    (a.out / "index.json").write_text(json.dumps({"entries": entries}, indent=1))


if __name__ == "__main__":
    main()
