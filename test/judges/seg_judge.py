"""Independent readers of DICOM segmentations: what each of them finds in our files, as digests of label arrays.

seg_judge.py FOLDER: reads FOLDER/cases.json and writes FOLDER/judged.json.
"""
import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import highdicom
import numpy as np
import pydicom
import SimpleITK
from pydicom.sr._concepts_dict import concepts

folder = Path(sys.argv[1])
tools = Path(sys.executable).parent


def digest(array):
    return hashlib.sha256(np.ascontiguousarray(array, dtype=np.uint8).tobytes()).hexdigest()


def dciodvfy(path):
    done = subprocess.run([str(tools / "dciodvfy"), str(path)], capture_output=True, text=True, check=False)
    lines = (done.stdout + done.stderr).splitlines()
    return {"errors": [line for line in lines if line.startswith(("Error", "Abort"))], "warnings": [line for line in lines if line.startswith("Warning")]}


def by_pydicom(dataset, case):
    """Frames unpacked by pydicom, put on the slice whose position the frame states: array [segment, k, j, i]."""
    ni, nj, nk = case["shape"]
    out = np.zeros((len(case["segments"]), nk, nj, ni), np.uint8)
    positions = np.array(case["positions"])
    pixels = dataset.pixel_array.reshape(-1, nj, ni)
    shared = dataset.SharedFunctionalGroupsSequence[0]
    orientation = [float(x) for x in shared.PlaneOrientationSequence[0].ImageOrientationPatient]
    assert np.allclose(orientation, case["orientation"], atol=1e-6), (orientation, case["orientation"])
    assert np.allclose([float(x) for x in shared.PixelMeasuresSequence[0].PixelSpacing], case["pixelSpacing"], rtol=1e-6)
    for pixel, group in zip(pixels, dataset.PerFrameFunctionalGroupsSequence):
        position = np.array([float(x) for x in group.PlanePositionSequence[0].ImagePositionPatient])
        distances = np.linalg.norm(positions - position, axis=1)
        k = int(distances.argmin())
        assert distances[k] < 1e-3, (position, distances[k])
        reference = group.DerivationImageSequence[0].SourceImageSequence[0]
        assert reference.ReferencedSOPInstanceUID == case["instances"][k]
        if dataset.SegmentationType == "LABELMAP":
            for number in range(1, len(out) + 1):
                out[number - 1, k] = pixel == number
        else:
            out[group.SegmentIdentificationSequence[0].ReferencedSegmentNumber - 1, k] = pixel
    return out


def by_highdicom(path, case):
    """The frames of each source image, as highdicom looks them up by reference."""
    seg = highdicom.seg.segread(str(path))
    if case["multiFrame"]:
        pixels = seg.get_pixels_by_source_frame(case["instances"][0], case["frames"], assert_missing_frames_are_empty=True)
    else:
        pixels = seg.get_pixels_by_source_instance(case["instances"], assert_missing_frames_are_empty=True)
    return np.moveaxis(pixels, 3, 0)


def by_highdicom_volume(path, case):
    """The volume that highdicom builds from the places of the frames, put onto the grid."""
    volume = highdicom.seg.segread(str(path)).get_volume()
    return place(np.moveaxis(volume.array, 3, 0), np.array(volume.affine), case)


def place(segments, affine, case):
    """Puts [segment, a, b, c] whose voxels lie at affine (LPS mm, of indices a, b, c) onto the grid of the case."""
    ni, nj, nk = case["shape"]
    out = np.zeros((len(segments), nk, nj, ni), np.uint8)
    to_grid = np.linalg.inv(np.array(case["affine"])) @ affine
    held = np.argwhere(segments.any(axis=0))
    voxels = (to_grid @ np.c_[held, np.ones(len(held))].T)[:3].T
    assert np.abs(voxels - np.rint(voxels)).max() < 1e-2
    i, j, k = np.rint(voxels).astype(int).T
    out[:, k, j, i] = segments[:, held[:, 0], held[:, 1], held[:, 2]]
    return out


def by_dcmqi(path, case):
    with tempfile.TemporaryDirectory() as out:
        done = subprocess.run([str(tools / "segimage2itkimage"), "--inputDICOM", str(path), "--outputDirectory", out, "--outputType", "nrrd"],
                              capture_output=True, text=True, check=False)
        files = [Path(out) / f"{number + 1}.nrrd" for number in range(len(case["segments"]))]
        if not all(file.exists() for file in files):
            raise RuntimeError(f"dcmqi wrote {sorted(p.name for p in Path(out).iterdir())}: {(done.stdout + done.stderr)[-600:]}")
        images = [SimpleITK.ReadImage(str(file)) for file in files]
    image = images[0]
    affine = np.eye(4)
    affine[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * np.array(image.GetSpacing())
    affine[:3, 3] = image.GetOrigin()
    # Arrays of SimpleITK are indexed k, j, i; place() takes the axes in the order of the affine.
    return place(np.stack([np.transpose(SimpleITK.GetArrayFromImage(one) > 0, (2, 1, 0)).astype(np.uint8) for one in images]), affine, case)


def attempt(reader):
    try:
        return digest(reader())
    except Exception as error:  # noqa: BLE001 - the sentence of the reader is what the test shows
        return f"{type(error).__name__}: {error}"


judged = {}
for case in json.loads((folder / "cases.json").read_text()):
    path = folder / case["file"]
    dataset = pydicom.dcmread(path)
    judged[case["file"]] = {
        "dciodvfy": dciodvfy(path),
        "pydicom": attempt(lambda: by_pydicom(dataset, case)),
        "highdicom": attempt(lambda: by_highdicom(path, case)),
        "highdicomVolume": attempt(lambda: by_highdicom_volume(path, case)) if case["volume"] else None,
        "dcmqi": attempt(lambda: by_dcmqi(path, case)) if case["dcmqi"] else None,
        "patientName": str(dataset.PatientName),
        "labels": [str(item.SegmentLabel) for item in dataset.SegmentSequence if item.SegmentNumber > 0],
    }

known = {}
for meanings in concepts["SCT"].values():
    for value, (meaning, _) in meanings.items():
        known.setdefault(value, []).append(meaning.lower())
(folder / "judged.json").write_text(json.dumps({"files": judged, "snomed": known}))
