"""Samples from masks that real rounds left: of train scans only, on slices where something is to be corrected."""

import json

import nibabel
import numpy as np
import pytest

pytest.importorskip("torch")
from limnet_training.rounds import Rounds, left_by  # noqa: E402
from limnet_training.scan import load_scans  # noqa: E402


def ball(shape, centre, radius):
    """[k, j, i] bool."""
    return sum((x - c) ** 2 for x, c in zip(np.indices(shape), centre)) <= radius**2


TRUTH = ball((24, 40, 50), (12, 20, 25), 9)
HALF = TRUTH & (np.indices(TRUTH.shape).sum(0) < 57)


@pytest.fixture
def index(tmp_path):
    rng = np.random.default_rng(3)
    entries = []
    for name, split in (("a", "train"), ("b", "val")):
        nibabel.save(nibabel.Nifti1Image((TRUTH * 100 + rng.normal(0, 5, TRUTH.shape)).astype(np.float32).T, np.eye(4)), tmp_path / f"{name}.nii.gz")
        nibabel.save(nibabel.Nifti1Image(TRUTH.astype(np.uint8).T, np.eye(4)), tmp_path / f"{name}-label.nii.gz")
        entries.append({"id": name, "dataset": "set", "case": name, "split": split, "kind": "volume", "image": f"{name}.nii.gz", "label": f"{name}-label.nii.gz", "modality": "MR"})
    (tmp_path / "index.json").write_text(json.dumps({"entries": entries}))
    return tmp_path / "index.json"


def masks(folder, index, scan, mask, axis=2):
    """As `limnet evaluate --masks` leaves them; `axis` in the order ijk."""
    folder.mkdir()
    nibabel.save(nibabel.Nifti1Image(mask.astype(np.uint8).T, np.eye(4)), folder / "m.nii.gz")
    row = {"id": scan, "label": "any", "way": "network", "axis": axis, "round": 1, "slice": 12, "dice": 0.6, "mask": "m.nii.gz"}
    (folder / "rounds.json").write_text(json.dumps({"index": str(index), "rounds": [row]}))
    return folder


@pytest.mark.parametrize("axis, along", [(2, 0), (1, 1), (0, 2)])
def test_slices_lie_across_the_axis_that_was_clicked_on(index, tmp_path, axis, along):
    rounds = Rounds([masks(tmp_path / "m", index, "a", HALF, axis)], index, load_scans(index, "train"))
    left = rounds.by_set["set"][0]
    for t in left.slices:
        plane, outline, mask = left.planes(t)
        assert (outline == np.take(TRUTH, t, along)).all()
        assert (mask == np.take(HALF, t, along)).all()
        assert plane.shape == outline.shape


def test_a_sample_shows_the_outline_and_what_was_left_of_it(index, tmp_path):
    rounds = Rounds([masks(tmp_path / "m", index, "a", HALF)], index, load_scans(index, "train"))
    rng = np.random.default_rng(1)
    for _ in range(10):
        image, truth, previous = rounds.sample(rng, 96)
        assert image.shape == truth.shape == previous.shape == (96, 96)
        found = previous >= 0.5
        assert (found & ~truth).sum() < 0.05 * truth.sum() + 4  # all of the mask lies in the object
        assert 0 < found.sum() < 0.95 * truth.sum()
        assert image.min() >= 0 and image.max() <= 1


def test_slices_that_are_right_or_empty_are_not_drawn(index):
    scan = load_scans(index, "train")[0]
    assert left_by(scan, None, 0, TRUTH) is None
    assert left_by(scan, None, 0, np.zeros_like(TRUTH)) is None
    mask = TRUTH.copy()
    mask[12] = HALF[12]
    mask[9] = False
    assert list(left_by(scan, None, 0, mask).slices) == [12]


def test_the_worst_slice_comes_most_often(index):
    scan = load_scans(index, "train")[0]
    mask = HALF.copy()
    mask[12] = ball(TRUTH.shape, (12, 20, 25), 2)[12]
    left = left_by(scan, None, 0, mask)
    assert left.slices[left.share.argmax()] == 12


def test_rounds_on_scans_of_val_are_refused_by_name(index, tmp_path):
    with pytest.raises(ValueError, match="b is not in the train split"):
        Rounds([masks(tmp_path / "m", index, "b", HALF)], index, load_scans(index, "train"))


def test_a_mask_on_another_grid_is_refused(index, tmp_path):
    with pytest.raises(ValueError, match="has the size"):
        Rounds([masks(tmp_path / "m", index, "a", HALF[:, ::2])], index, load_scans(index, "train"))
