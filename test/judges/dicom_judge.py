"""Independent readers for dicom.test.ts: python dicom_judge.py FOLDER FIXTURES

Writes the series of dicom_variants.py to FOLDER/made, reads them and FIXTURES with pydicom and numpy, image by image, and whole series
with SimpleITK. Leaves FOLDER/truth.json and FOLDER/truth.bin (float32: what pydicom read, then what SimpleITK read).
"""
import json
import sys
from pathlib import Path

import numpy
import pydicom
import SimpleITK
from dicom_variants import variants

folder, fixtures = Path(sys.argv[1]), Path(sys.argv[2])
made = folder / "made"
made.mkdir()
variants(made)
blob = open(folder / "truth.bin", "wb")
SimpleITK.ProcessObject.SetGlobalWarningDisplay(False)


def keep(values):
    at = blob.tell()
    blob.write(numpy.ascontiguousarray(values, "<f4").tobytes())
    return at


def group(ds, frame, sequence):
    for groups in ([ds.PerFrameFunctionalGroupsSequence[frame]] if "PerFrameFunctionalGroupsSequence" in ds else []) + list(ds.get("SharedFunctionalGroupsSequence", [])):
        if sequence in groups:
            return groups[sequence][0]
    return ds if "PerFrameFunctionalGroupsSequence" not in ds else pydicom.Dataset()


def grey(ds, pixels):
    if ds.PhotometricInterpretation == "PALETTE COLOR":
        pixels = pydicom.pixels.apply_color_lut(pixels, ds) // 257
    if pixels.ndim == 3 and pixels.shape[-1] == 3:
        # raw=True left YBR as it is: its first plane is the grey value.
        return pixels[..., 0] if ds.PhotometricInterpretation.startswith("YBR") else pixels @ numpy.array([0.299, 0.587, 0.114])
    if ds.PhotometricInterpretation == "MONOCHROME1" and ds.Modality not in ("CT", "PT", "NM"):
        return 2 ** ds.BitsStored - 1 - pixels.astype(float)
    return pixels


def frames(path):
    ds = pydicom.dcmread(path, force=True)
    if "TransferSyntaxUID" not in ds.get("file_meta", {}):
        ds.file_meta = pydicom.dataset.FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = pydicom.uid.ImplicitVRLittleEndian
    count = int(ds.get("NumberOfFrames") or 1)
    try:
        pixels = pydicom.pixels.pixel_array(ds, raw=ds.get("PhotometricInterpretation", "").startswith("YBR"))
    except Exception:  # what pydicom cannot decode, nobody is compared with
        return
    pixels = pixels[None] if count == 1 else pixels
    for frame in range(count):
        transform = group(ds, frame, "PixelValueTransformationSequence")
        values = grey(ds, pixels[frame]) * float(transform.get("RescaleSlope") or 1) + float(transform.get("RescaleIntercept") or 0)
        plane, orientation = group(ds, frame, "PlanePositionSequence"), group(ds, frame, "PlaneOrientationSequence")
        place, corners = plane.get("ImagePositionPatient"), None
        if place is not None:
            spacing = [float(x) for x in group(ds, frame, "PixelMeasuresSequence").PixelSpacing]
            turn = numpy.array([float(x) for x in orientation.ImageOrientationPatient])
            corners = [[float(p) + turn[a] * spacing[1] * i + turn[3 + a] * spacing[0] * j for a, p in enumerate(place)]
                       for i, j in [(0, 0), (ds.Columns - 1, 0), (0, ds.Rows - 1), (ds.Columns - 1, ds.Rows - 1)]]
        yield {"file": path.name, "uid": str(ds.get("SOPInstanceUID", "")), "frame": frame + 1, "columns": ds.Columns, "rows": ds.Rows,
               "corners": corners, "at": keep(values), "syntax": str(ds.file_meta.TransferSyntaxUID)}


def itk(case):
    """One volume as ITK sees it; null where ITK finds no series, or several."""
    series = SimpleITK.ImageSeriesReader.GetGDCMSeriesIDs(str(case))
    if len(series) != 1:
        return None
    names = SimpleITK.ImageSeriesReader.GetGDCMSeriesFileNames(str(case), series[0])
    try:
        image = SimpleITK.ReadImage(names)
    except RuntimeError:
        return None
    if image.GetNumberOfComponentsPerPixel() != 1 or image.GetDimension() != 3:
        return None
    size = image.GetSize()
    corners = [image.TransformIndexToPhysicalPoint([size[a] - 1 if bits >> a & 1 else 0 for a in range(3)]) for bits in range(8)]
    return {"size": size, "corners": corners, "at": keep(SimpleITK.GetArrayFromImage(image))}


cases = {}
for case in sorted([*made.iterdir(), *(path for path in fixtures.iterdir() if path.is_dir())]):
    cases[case.name] = {"folder": str(case), "frames": [frame for path in sorted(case.glob("*.dcm")) for frame in frames(path)], "itk": itk(case)}
json.dump(cases, open(folder / "truth.json", "w"))
