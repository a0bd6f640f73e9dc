"""An independent reading of RT structure sets: contours filled by the even-odd rule in numpy, as digests of label arrays.

rtstruct_judge.py FOLDER: reads FOLDER/cases.json and writes FOLDER/judged.json.
"""
import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pydicom

folder = Path(sys.argv[1])


def fill(points, ni, nj):
    """Pixel centres inside a polygon of (column, row)."""
    inside = np.zeros((nj, ni), bool)
    columns = np.arange(ni)
    for (x0, y0), (x1, y1) in zip(points, np.roll(points, -1, axis=0)):
        low, high = sorted((y0, y1))
        for row in range(max(0, int(np.ceil(low))), min(nj - 1, int(np.floor(high))) + 1):
            if (y0 > row) != (y1 > row):
                inside[row] ^= columns > x0 + (x1 - x0) * (row - y0) / (y1 - y0)
    return inside


def read(dataset, case):
    ni, nj, nk = case["shape"]
    out = np.zeros((len(case["segments"]), nk, nj, ni), np.uint8)
    to_voxel = np.linalg.inv(np.array(case["affine"]))
    for roi in dataset.ROIContourSequence:
        for contour in roi.get("ContourSequence", []):
            assert contour.ContourGeometricType == "CLOSED_PLANAR"
            points = np.array(contour.ContourData, float).reshape(-1, 3)
            assert len(points) == contour.NumberOfContourPoints
            voxels = (to_voxel @ np.c_[points, np.ones(len(points))].T)[:3].T
            k = int(round(voxels[0, 2]))
            assert np.abs(voxels[:, 2] - k).max() < 1e-3
            assert contour.ContourImageSequence[0].ReferencedSOPInstanceUID == case["instances"][k]
            # Outlines lie on halves; what the decimal strings rounded away must not turn into another half.
            planar = np.round(voxels[:, :2] * 2) / 2
            assert np.abs(planar - voxels[:, :2]).max() < 1e-3
            out[roi.ReferencedROINumber - 1, k] ^= fill(planar, ni, nj)
    return out


judged = {}
for case in json.loads((folder / "cases.json").read_text()):
    path = folder / case["file"]
    dataset = pydicom.dcmread(path)
    done = subprocess.run([str(Path(sys.executable).parent / "dciodvfy"), str(path)], capture_output=True, text=True, check=False)
    lines = (done.stdout + done.stderr).splitlines()
    try:
        voxels = hashlib.sha256(np.ascontiguousarray(read(dataset, case)).tobytes()).hexdigest()
    except AssertionError as error:
        voxels = f"assertion: {error!r}"
    judged[case["file"]] = {
        "errors": [line for line in lines if line.startswith(("Error", "Abort"))],
        "warnings": [line for line in lines if line.startswith("Warning")],
        "voxels": voxels,
        "names": [str(roi.ROIName) for roi in dataset.StructureSetROISequence],
        "algorithms": [str(roi.ROIGenerationAlgorithm) for roi in dataset.StructureSetROISequence],
        "longest": max(len(c.ContourData) // 3 for roi in dataset.ROIContourSequence for c in roi.get("ContourSequence", [])),
    }
(folder / "judged.json").write_text(json.dumps(judged))
