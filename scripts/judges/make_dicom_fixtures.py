"""Made test/fixtures/dicom once: python make_dicom_fixtures.py SOURCE TARGET, SOURCE holding the folders named below.

Uncompressed images are cut to a window (the position moves along with it); compressed ones are copied as they are.
"""
import shutil
import sys
from pathlib import Path

import numpy
import pydicom

source, target = Path(sys.argv[1]), Path(sys.argv[2])

# Folder: first row, first column, size of the window, which files.
CUT = {
    "ct_3slice_seg": (220, 200, 64, "0*.dcm"),
    "ct_gantry_tilt": (200, 220, 64, "*.dcm"),
    "pet_seg": (40, 44, 40, "0*.dcm"),
    "mr_rtstruct": (20, 20, 40, "0*.dcm"),
    "mr_oblique_t2": (150, 170, 64, "*.dcm"),
    "mr_sagittal_t2_part": (120, 130, 64, "*.dcm"),
    "enhanced_multiframe": (100, 100, 64, "[Ie][MC]*.dcm"),
}

COPY = [
    "mr_series_rle/*", "mr_series_jpegls/*", "mr_series_j2k/*", "mr_series_jpeg/*",
    "ct_j2k_series/*1657[3-6].dcm", "enhanced_multiframe/emri_small*", "enhanced_multiframe/6_1.dcm",
    "transfer_syntax_ct/*4.50.dcm", "transfer_syntax_ct/*4.51.dcm", "transfer_syntax_ct/*4.57.dcm", "transfer_syntax_ct/*4.70.dcm",
    "transfer_syntax_ct/*4.81.dcm", "transfer_syntax_ct/*4.91.dcm",
    "transfer_syntax_misc/HTJ2KLossless_08_RGB.dcm", "transfer_syntax_misc/JLSL_16_15_1_1F.dcm", "transfer_syntax_misc/liver_deflate.dcm",
]


def move(plane, measures, orientation, row, column):
    between_rows, between_columns = (float(x) for x in measures.PixelSpacing)
    directions = numpy.array([float(x) for x in orientation.ImageOrientationPatient])
    place = numpy.array([float(x) for x in plane.ImagePositionPatient])
    place = place + directions[:3] * between_columns * column + directions[3:] * between_rows * row
    plane.ImagePositionPatient = [f"{x:.10g}" for x in place]


for folder, (row, column, size, pattern) in CUT.items():
    (target / folder).mkdir(parents=True, exist_ok=True)
    for path in sorted((source / folder).glob(pattern)):
        data = pydicom.dcmread(path)
        pixels = data.pixel_array[..., row:row + size, column:column + size]
        data.PixelData = pixels.astype(data.pixel_array.dtype).tobytes()
        data.Rows, data.Columns = pixels.shape[-2:]
        if "PerFrameFunctionalGroupsSequence" in data:
            shared = data.SharedFunctionalGroupsSequence[0]
            for frame in data.PerFrameFunctionalGroupsSequence:
                part = {name: (frame if name in frame else shared)[name][0] for name in ["PixelMeasuresSequence", "PlaneOrientationSequence"]}
                move(frame.PlanePositionSequence[0], part["PixelMeasuresSequence"], part["PlaneOrientationSequence"], row, column)
        else:
            move(data, data, data, row, column)
        data.save_as(target / folder / path.name)

for pattern in COPY:
    for path in sorted(source.glob(pattern)):
        (target / path.parent.name).mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target / path.parent.name / path.name)
