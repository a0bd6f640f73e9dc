"""Independent readers and writers for imaging.test.ts: python imaging_judge.py FOLDER FIXTURES

Writes files of its own into FOLDER/theirs, reads those, FOLDER/ours and FIXTURES with nibabel or SimpleITK, and leaves
what it read in FOLDER/truth.json with the stored samples beside it (float64, first axis fastest).
"""
import json
import sys
import zlib
from pathlib import Path

import nibabel
import numpy
import SimpleITK

folder, fixtures = Path(sys.argv[1]), Path(sys.argv[2])
theirs = folder / "theirs"
theirs.mkdir()
random = numpy.random.default_rng(20)
FLIP = numpy.diag([-1.0, -1.0, 1.0, 1.0])  # LPS to RAS
TYPES = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64"]
truth = []


def rotation(mirror=False):
    q, r = numpy.linalg.qr(random.normal(size=(3, 3)))
    q = q * numpy.sign(numpy.diag(r))
    if (numpy.linalg.det(q) < 0) != mirror:
        q[:, 2] *= -1
    return q


def affine(shear=0.0, mirror=False):
    a = numpy.eye(4)
    a[:3, :3] = rotation(mirror) @ (numpy.eye(3) + shear * random.uniform(-1, 1, (3, 3))) * random.uniform(0.3, 4, 3)
    a[:3, 3] = random.uniform(-200, 200, 3)
    return a


def samples(dtype, shape=(5, 6, 7)):
    kind = numpy.dtype(dtype)
    if kind.kind == "f":
        return random.normal(size=shape).astype(kind)
    info = numpy.iinfo(kind)
    # The full range for small types; 64-bit integers of up to 2^52, which float64 holds exactly.
    low, high = max(info.min, -(2**52)), min(info.max, 2**52)
    return random.integers(low, high, shape, dtype=kind, endpoint=True)


def record(path, reader, stored, matrix, **more):
    name = f"{len(truth)}.bin"
    stored = numpy.asarray(stored)
    (folder / name).write_bytes(stored.astype("<f8").tobytes(order="F"))
    rows = [float(x) for x in numpy.asarray(matrix)[:3].ravel()]
    truth.append({
        "file": str(path), "reader": reader, "bin": name, "shape": list(stored.shape), "dtype": str(stored.dtype.newbyteorder("=")),
        "affine": rows, "codes": "".join(nibabel.aff2axcodes(matrix)), **more,
    })


def judge_nibabel(path):
    image = nibabel.load(path)
    header = image.header
    record(
        path, "nibabel", image.dataobj.get_unscaled(), image.affine, slope=float(image.dataobj.slope), intercept=float(image.dataobj.inter),
        forms=[int(header["qform_code"]), int(header["sform_code"])], units=header.get_xyzt_units()[0],
        qform=[float(x) for x in header.get_qform()[:3].ravel()],
    )


def judge_itk(path):
    image = SimpleITK.ReadImage(str(path))
    n = image.GetDimension()
    matrix = numpy.eye(4)
    matrix[:n, :n] = numpy.array(image.GetDirection()).reshape(n, n) * image.GetSpacing()
    matrix[:n, 3] = image.GetOrigin()
    meta = {key: image.GetMetaData(key) for key in image.GetMetaDataKeys() if key.startswith("Segment")}
    record(path, "itk", SimpleITK.GetArrayFromImage(image).T, FLIP @ matrix, slope=1, intercept=0, meta=meta)


def save_nibabel(name, data, matrix, change=None, endian="<"):
    image = nibabel.Nifti1Image(data, matrix, nibabel.Nifti1Header(endianness=endian), dtype=data.dtype)
    if change:
        change(image)
    nibabel.save(image, theirs / name)
    judge_nibabel(theirs / name)


def only_qform(image):
    image.set_qform(image.affine, code=1)
    image.set_sform(None, code=0)


def no_form(image):
    image.set_qform(None, code=0)
    image.set_sform(None, code=0)
    image.header.set_zooms((1.5, 2.5, 3.5))


def scaled(image):
    image.header.set_slope_inter(0.25, -1000)


for dtype in TYPES:
    for endian in "<>":
        suffix = ".nii.gz" if endian == "<" else ".nii"
        save_nibabel(f"{dtype}{'LB'[endian == '>']}{suffix}", samples(dtype), affine(mirror=endian == ">"), endian=endian)
for n in range(8):
    save_nibabel(f"qform{n}.nii", samples("int16"), affine(mirror=n % 2 == 1), only_qform)
    save_nibabel(f"sheared{n}.nii.gz", samples("uint8"), affine(shear=0.3, mirror=n % 2 == 1))
save_nibabel("no_form.nii", samples("uint8"), affine(), no_form)
save_nibabel("four.nii.gz", samples("int16", (4, 5, 6, 1)), affine())
save_nibabel("scaled.nii.gz", samples("int16"), affine(), scaled)


def save_itk(name, data, n=3, compress=False, mirror=False):
    image = SimpleITK.GetImageFromArray(data.T)
    image.SetSpacing(list(random.uniform(0.3, 4, n)))
    image.SetOrigin(list(random.uniform(-200, 200, n)))
    c, s = numpy.cos(0.4), numpy.sin(0.4)
    image.SetDirection([float(x) for x in (rotation(mirror).ravel() if n == 3 else [c, -s, s, c])])
    SimpleITK.WriteImage(image, str(theirs / name), useCompression=compress)
    judge_itk(theirs / name)


for dtype in TYPES:
    data = samples(dtype)
    save_itk(f"{dtype}.mha", data)
    save_itk(f"{dtype}_z.mha", data, compress=True, mirror=True)
    save_itk(f"{dtype}.nrrd", data, mirror=True)
    save_itk(f"{dtype}_z.nrrd", data, compress=True)
    save_itk(f"{dtype}_itk.nii.gz", data, compress=True)
for extension in ["mha", "nrrd", "nii.gz"]:
    save_itk(f"flat.{extension}", samples("int16", (6, 7)), n=2)


def by_hand(name, lines, data):
    path = theirs / name
    path.write_bytes("\n".join(lines).encode() + data)
    judge_itk(path)


data = samples("int16")
vectors = ["space directions: (0,0,-2) (1.5,0,0) (0,3,0)", "space origin: (1,2,3)"]
for space in ["right-anterior-superior", "left-anterior-superior", "LPS", "RAS"]:
    lines = ["NRRD0004", "type: short", "dimension: 3", f"space: {space}", "sizes: 5 6 7", *vectors, "endian: big", "encoding: raw", "", ""]
    by_hand(f"{space}.nrrd", lines, data.astype(">i2").tobytes(order="F"))
lines = ["NRRD0004", "type: short", "dimension: 3", "sizes: 5 6 7", "spacings: 1 2 3", "encoding: ascii", "", ""]
by_hand("text.nrrd", lines, " ".join(str(x) for x in data.ravel(order="F")).encode())
lines = [
    "ObjectType = Image", "NDims = 3", "BinaryData = True", "BinaryDataByteOrderMSB = True", "CompressedData = True",
    "TransformMatrix = 0 0 -1 1 0 0 0 1 0", "Offset = 1 2 3", "ElementSpacing = 1 2 3", "DimSize = 5 6 7", "ElementType = MET_SHORT",
]
packed = zlib.compress(data.astype(">i2").tobytes(order="F"))
by_hand("big.mha", [*lines, f"CompressedDataSize = {len(packed)}", "ElementDataFile = LOCAL", ""], packed)

micron = nibabel.Nifti1Image(data, numpy.diag([200.0, 300, 400, 1]))
micron.header.set_xyzt_units("micron")
nibabel.save(micron, theirs / "micron.nii")
judge_itk(theirs / "micron.nii")

for path in sorted(fixtures.glob("*.nii.gz")):
    judge_nibabel(path)
for path in sorted([*fixtures.glob("*.nrrd"), *fixtures.glob("*.mha")]):
    judge_itk(path)
for path in sorted((folder / "ours").iterdir()):
    if ".nii" in path.name:
        judge_nibabel(path)
    if "sheared" not in path.name and "scaled" not in path.name:
        judge_itk(path)

codes = []
for n in range(500):
    matrix = affine(shear=0.6 * (n % 2), mirror=n % 3 == 0)
    codes.append({"affine": [float(x) for x in matrix[:3].ravel()], "codes": "".join(nibabel.aff2axcodes(matrix))})
(folder / "truth.json").write_text(json.dumps({"files": truth, "codes": codes}))
