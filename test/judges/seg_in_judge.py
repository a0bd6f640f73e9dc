"""Segmentations that others write, for our reader: made by highdicom and dcmqi on real series, and fixtures read by pydicom.

seg_in_judge.py FOLDER FIXTURES: writes FOLDER/*.dcm and FOLDER/truth.json: by file, the series folder, the kind, and for each segment
the digest of its voxels on each source instance ("sop uid" or "sop uid#frame").
"""
import hashlib
import json
import subprocess
import sys
import warnings
from pathlib import Path

import highdicom
import numpy as np
import pydicom
import SimpleITK
from pydicom.sr.codedict import codes
from pydicom.uid import ExplicitVRLittleEndian, JPEGLSLossless, RLELossless

warnings.simplefilter("ignore")
folder, fixtures = Path(sys.argv[1]), Path(sys.argv[2])
random = np.random.default_rng(5)
truth = {}
ALGORITHM = highdicom.AlgorithmIdentificationSequence("test", codes.cid7162.ArtificialIntelligence, "1")


def digest(array):
    return hashlib.sha256(np.ascontiguousarray(array, dtype=np.uint8).tobytes()).hexdigest()


def describe(number):
    return highdicom.seg.SegmentDescription(number, f"object {number}", codes.SCT.Tissue, codes.SCT.Liver, "AUTOMATIC", ALGORITHM)


def place(name, source, keys, masks, kind):
    """masks: [segment][instance], on the source images of these keys."""
    truth[name] = {"series": source, "kind": kind, "segments": [{key: digest(mask) for key, mask in zip(keys, one) if mask.any()} for one in masks]}


for series in ["ct_3slice_seg", "mr_oblique_t2", "mr_sagittal_t2_part"]:
    images = [pydicom.dcmread(path) for path in sorted((fixtures / "dicom" / series).glob("*.dcm"))]
    for image in images:
        if not image.get("SpecificCharacterSet"):
            image.SpecificCharacterSet = "ISO_IR 100"
        # highdicom wants a Study ID to copy, be it empty.
        for keyword in ("StudyID", "AccessionNumber", "StudyTime", "StudyDate", "PatientBirthDate", "PatientSex", "ReferringPhysicianName"):
            if keyword not in image:
                setattr(image, keyword, None)
    order = random.permutation(len(images))
    images = [images[at] for at in order]
    keys = [image.SOPInstanceUID for image in images]
    shape = (len(images), images[0].Rows, images[0].Columns)
    labels = random.integers(0, 4, shape).astype(np.uint8)
    labels[0] = 0
    overlapping = random.random(shape + (2,)) < 0.3
    for kind, mask, count, syntax in [
        ("BINARY", labels, 3, ExplicitVRLittleEndian), ("BINARY", overlapping.astype(np.uint8), 2, ExplicitVRLittleEndian),
        ("FRACTIONAL", (labels == 1) * 0.7 + (labels == 2) * 0.3, 1, ExplicitVRLittleEndian), ("FRACTIONAL", (labels == 1) * 0.7, 1, RLELossless),
        ("LABELMAP", labels, 3, ExplicitVRLittleEndian), ("LABELMAP", labels, 3, RLELossless), ("LABELMAP", labels, 3, JPEGLSLossless),
    ]:
        name = f"{series}-{len(truth)}.dcm"
        seg = highdicom.seg.Segmentation(
            images, mask, kind, [describe(number + 1) for number in range(count)], highdicom.UID(), 1, highdicom.UID(), 1, "m", "mm", "v", "sn",
            transfer_syntax_uid=syntax)
        seg.save_as(folder / name)
        if kind == "FRACTIONAL":
            masks = [[frame >= 0.5 for frame in mask]]
        elif mask.ndim == 4:
            masks = [[frame[..., number] for frame in mask] for number in range(count)]
        else:
            masks = [[frame == number + 1 for frame in mask] for number in range(count)]
        place(name, series, keys, masks, kind)

for name, series in [("seg/liver.dcm", "ct_3slice_seg"), ("seg/partial_overlaps.dcm", "ct_3slice_seg"), ("seg/pet.dcm", "pet_seg")]:
    seg = pydicom.dcmread(fixtures / name)
    frames = seg.pixel_array.reshape(-1, seg.Rows, seg.Columns)
    images = [pydicom.dcmread(path) for path in sorted((fixtures / "dicom" / series).glob("*.dcm"))]
    masks = [[np.zeros((image.Rows, image.Columns), bool) for image in images] for _ in seg.SegmentSequence]
    for frame, group in zip(frames, seg.PerFrameFunctionalGroupsSequence):
        position = np.array(group.PlanePositionSequence[0].ImagePositionPatient, float)
        for at, image in enumerate(images):
            offset = np.array(image.ImagePositionPatient, float) - position
            if abs(offset[2]) > 0.1:
                continue
            # The fixtures are windows of the images that the segmentation was made on.
            column, row = (int(round(offset[axis] / float(image.PixelSpacing[0]))) for axis in (0, 1))
            masks[group.SegmentIdentificationSequence[0].ReferencedSegmentNumber - 1][at] = frame[row:row + image.Rows, column:column + image.Columns] > 0
    place(name, series, [image.SOPInstanceUID for image in images], masks, seg.SegmentationType)
for copy in ["seg/liver_rle.dcm", "dicom/transfer_syntax_misc/liver_deflate.dcm"]:
    truth[copy] = truth["seg/liver.dcm"]

# dcmqi turns what it reads of ours or another's into a file of its own: here a mask on the sagittal MR.
series = fixtures / "dicom" / "mr_sagittal_t2_part"
reader = SimpleITK.ImageSeriesReader()
reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(series)))
image = reader.Execute()
array = (random.random(SimpleITK.GetArrayFromImage(image).shape) < 0.2).astype(np.uint8)
mask = SimpleITK.GetImageFromArray(array)
mask.CopyInformation(image)
SimpleITK.WriteImage(mask, str(folder / "mask.nrrd"))
code = lambda value, meaning: {"CodeValue": value, "CodingSchemeDesignator": "SCT", "CodeMeaning": meaning}
(folder / "dcmqi.json").write_text(json.dumps({
    "ContentCreatorName": "Doe^John", "ClinicalTrialSeriesID": "1", "ClinicalTrialTimePointID": "1", "SeriesDescription": "s", "SeriesNumber": "3",
    "InstanceNumber": "1", "segmentAttributes": [[{
        "labelID": 1, "SegmentLabel": "from dcmqi", "SegmentDescription": "d", "SegmentAlgorithmType": "MANUAL", "recommendedDisplayRGBValue": [10, 20, 30],
        "SegmentedPropertyCategoryCodeSequence": code("123037004", "Anatomical Structure"), "SegmentedPropertyTypeCodeSequence": code("41216001", "Prostate")}]]}))
done = subprocess.run([str(Path(sys.executable).parent / "itkimage2segimage"), "--inputImageList", str(folder / "mask.nrrd"), "--inputDICOMDirectory", str(series),
                       "--outputDICOM", str(folder / "dcmqi.dcm"), "--inputMetadata", str(folder / "dcmqi.json"), "--skip"], capture_output=True, text=True, check=False)
if not (folder / "dcmqi.dcm").exists():
    sys.exit(f"dcmqi wrote nothing: {done.stdout}{done.stderr}")
names = reader.GetFileNames()
place("dcmqi.dcm", "mr_sagittal_t2_part", [pydicom.dcmread(name, stop_before_pixels=True).SOPInstanceUID for name in names], [list(array > 0)], "BINARY")
(folder / "truth.json").write_text(json.dumps(truth))
