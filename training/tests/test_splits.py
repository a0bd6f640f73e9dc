"""Splits by patient: the index is refused where one is in both, and the loader gives each side its own."""

import json

import cv2
import nibabel
import numpy as np
import pytest

from limnet_training.splits import BadIndex, check_words, patient, read_index, shares_for

try:
    from limnet_training.scan import load_scans
except ImportError:
    from limnet_training.data import load as load_scans


def entry(n, split, **more):
    return {"id": f"set/{n}", "dataset": "set", "split": split, "kind": "volume", "image": f"{n}.nii.gz", "label": f"{n}-label.nii.gz", "modality": "CT", **more}


def write(folder, entries):
    """Every scan has its number as grey value, so that what is loaded can be told apart."""
    for e in entries:
        number = int(e["id"].split("/")[1])
        if e["kind"] == "image":
            cv2.imwrite(str(folder / e["image"]), np.full((40, 50), number, np.uint8))
            cv2.imwrite(str(folder / e["label"]), np.pad(np.ones((20, 20), np.uint8), 10))
        else:
            nibabel.save(nibabel.Nifti1Image(np.full((9, 8, 7), number, np.float32), np.eye(4)), folder / e["image"])
            nibabel.save(nibabel.Nifti1Image(np.ones((9, 8, 7), np.uint8), np.eye(4)), folder / e["label"])
    (folder / "index.json").write_text(json.dumps({"entries": entries}))
    return folder / "index.json"


ENTRIES = [
    entry(1, "train", patient="A", case="A_CT"), entry(2, "train", patient="A", case="A_PET", modality="PET"),
    entry(3, "val", patient="B", case="B_CT"), entry(4, "val", patient="B", case="B_PET", modality="PET"),
    entry(5, "train", case="C"), entry(6, "val", case="D"), entry(7, "train"), entry(8, "val"),
    entry(9, "train", kind="image", image="9.png", label="9-label.png", case="E"), entry(10, "val", kind="image", image="10.png", label="10-label.png", case="F"),
    entry(11, "test"), entry(12, "train", dataset="other", patient="B"),  # another set has other patients
]


def test_no_patient_of_val_is_loaded_for_training(tmp_path):
    index = write(tmp_path, ENTRIES)
    assert read_index(index) == ENTRIES
    by_id = {e["id"]: e for e in ENTRIES}
    loaded = {split: load_scans(index, split) for split in ("train", "val")}
    assert {s.id for s in loaded["train"]} == {f"set/{n}" for n in (1, 2, 5, 7, 9, 12)}
    assert {s.id for s in loaded["val"]} == {f"set/{n}" for n in (3, 4, 6, 8, 10)}
    people = {split: {patient(by_id[s.id]) for s in scans} for split, scans in loaded.items()}
    assert not people["train"] & people["val"]
    grey = {split: {int(s.voxels.max()) for s in scans} for split, scans in loaded.items()}
    assert grey == {"train": {1, 2, 5, 7, 9, 12}, "val": {3, 4, 6, 8, 10}}, "the files are those of the entries"


@pytest.mark.parametrize(("more", "who"), [
    (dict(patient="A", case="new"), "A of set"),  # the same patient, another case
    (dict(case="C"), "C of set"),
    (dict(case=None, id="set/7"), "set/7 of set"),
])
def test_a_patient_in_both_is_refused_by_name(tmp_path, more, who):
    bad = {**entry(13, "val"), **more}
    (tmp_path / "index.json").write_text(json.dumps({"entries": [*ENTRIES, bad]}))
    with pytest.raises(BadIndex, match=f"1 patients of .* are in train and in val.*: {who}\\."):
        read_index(tmp_path / "index.json")
    for words in (["--run", "x", "--index", str(tmp_path / "index.json")], [f"--index={tmp_path / 'index.json'}"]):
        with pytest.raises(SystemExit, match="in train and in val"):
            check_words(words)


def test_entries_of_kinds_that_training_does_not_read_may_stand_in_the_index(tmp_path):
    folder = {k: v for k, v in entry(20, "test-fixture", kind="dicom", files="series/*.dcm").items() if k != "image"}
    (tmp_path / "index.json").write_text(json.dumps({"entries": [*ENTRIES, folder]}))
    assert folder in read_index(tmp_path / "index.json")


def test_an_index_that_lacks_something_is_told_what(tmp_path):
    path = tmp_path / "index.json"
    with pytest.raises(BadIndex, match="cannot be read"):
        read_index(path)
    path.write_text("[]")
    with pytest.raises(BadIndex, match="cannot be read"):
        read_index(path)
    path.write_text(json.dumps({"entries": [{k: v for k, v in entry(1, "train").items() if k not in ("modality", "kind")}]}))
    with pytest.raises(BadIndex, match=r"Entry 0 of .* \(set/1\) lacks kind, modality"):
        read_index(path)
    path.write_text(json.dumps({"entries": [entry(1, "train")]}))
    with pytest.raises(BadIndex, match="no labelled entry of the split val"):
        read_index(path)
    check_words(["--run", "x"])


def test_an_index_of_other_sets_is_drawn_from_evenly(tmp_path, capsys):
    scans = load_scans(write(tmp_path, ENTRIES), "train")
    assert shares_for({"sts": 0.5, "synthetic": 0.2}, scans) == {"other": 0.35, "set": 0.35, "synthetic": 0.3}
    assert shares_for({"sts": 0.5}, scans) == {"other": 0.35, "set": 0.35}
    assert capsys.readouterr().out == ""
    table = {"sts": 0.5, "set": 0.5}
    assert shares_for(table, scans) is table
    assert capsys.readouterr().out == "Not drawn from, because the table of shares does not name them: other\n"
