"""The loops themselves, on an index of three small scans: six steps equal three and three after a resume."""

import json

import nibabel
import numpy as np
import pytest
import torch

from limnet_training import click, data, propagation


@pytest.fixture
def index(tmp_path):
    rng = np.random.default_rng(5)
    entries = []
    for n, split in enumerate(("train", "train", "val")):
        i, j, k = np.mgrid[:40, :44, :24]
        inside = ((i - 18 - n) / 9) ** 2 + ((j - 22) / 8) ** 2 + ((k - 12) / 7) ** 2 <= 1
        grey = rng.normal(80, 12, inside.shape) + 90 * inside
        nibabel.save(nibabel.Nifti1Image(grey.astype(np.float32), np.eye(4)), tmp_path / f"{n}.nii.gz")
        nibabel.save(nibabel.Nifti1Image(inside.astype(np.uint8), np.eye(4)), tmp_path / f"{n}-label.nii.gz")
        entries.append({"id": f"balls/{n}", "dataset": "balls", "split": split, "kind": "volume", "image": f"{n}.nii.gz", "label": f"{n}-label.nii.gz", "modality": "MR"})
    (tmp_path / "index.json").write_text(json.dumps({"entries": entries}))
    return tmp_path / "index.json"


def saved(run):
    return torch.load(run / "last.pt", weights_only=False)


def same(a, b) -> bool:
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(v, b[k]) for k, v in a.items())
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    return bool(np.array_equal(a, b))


@pytest.mark.parametrize("loop", [click, propagation], ids=["click", "propagation"])
def test_six_steps_equal_three_and_three_after_a_resume(loop, index, tmp_path, monkeypatch):
    """Weights, moving average, optimizer and random state to the bit; what a loop makes up by itself and renews (synthetic and painted
    volumes, pseudo-objects) is the same after a resume."""
    monkeypatch.setattr(loop, "SHARES", {"balls": 0.5, "synthetic": 0.25, "painted": 0.25})
    monkeypatch.setattr(data, "RENEWED", {"synthetic": 0.5, "painted": 0.5, "pseudo": 0.5})
    monkeypatch.setattr(data.Pool.__init__, "__defaults__", (2, 2, None))  # few of each, so that one drawn before the resume comes back after it
    monkeypatch.setattr(loop, "evaluate", lambda *_: {"score": 0.5})
    if loop is click:
        monkeypatch.setattr(loop, "validation_set", lambda *_: [])
    common = ["--index", str(index), "--batch", "2", "--pseudo", "0.5", "--lr", "1e-3"]
    for run, steps in (("whole", "6"), ("two", "3")):
        torch.manual_seed(0)
        loop.main([*common, "--run", str(tmp_path / run), "--steps", steps])
    three = saved(tmp_path / "two")
    loop.main([*common, "--run", str(tmp_path / "two"), "--steps", "6", "--resume", "--seed", "99"])
    whole, two = saved(tmp_path / "whole"), saved(tmp_path / "two")
    assert whole["step"] == two["step"] == 6 and three["step"] == 3
    for what in ("net", "average", "opt", "rng", "torch", "made"):
        assert same(whole[what], two[what]), what
    assert not same(three["net"], two["net"])
