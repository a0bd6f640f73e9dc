"""Made test/fixtures/imaging once: python make_fixtures.py SOURCE TARGET, SOURCE holding nifti_orientation/ and nrrd/.

Every head is cut to the same box of the patient (by nibabel's slicer, which moves the origin along), so that the ten
files still show one head in ten axis orders.
"""
import shutil
import sys
from pathlib import Path

import nibabel
import numpy
import SimpleITK

source, target = Path(sys.argv[1]), Path(sys.argv[2])
box = [(20, 46), (30, 62), (24, 52)]  # right, front, head; voxels of RAS.nii.gz

for path in sorted((source / "nifti_orientation").glob("*.nii.gz")):
    image = nibabel.load(path)
    cut = []
    for axis, (world, sign) in enumerate(nibabel.io_orientation(image.affine)):
        low, high = box[int(world)]
        size = image.shape[axis]
        cut.append(slice(low, high) if sign > 0 else slice(size - high, size - low))
    # Stored values as they are, so that no new scale is computed for every file.
    stored = numpy.asarray(image.dataobj.get_unscaled())[tuple(cut)]
    copy = nibabel.Nifti1Image(stored, image.slicer[tuple(cut)].affine, image.header)
    copy.header.set_slope_inter(image.dataobj.slope, image.dataobj.inter)
    nibabel.save(copy, target / path.name)

shutil.copyfile(source / "nrrd" / "breast1_label.nrrd", target / "breast1_label.nrrd")

# Synthetic: value = i + 10 j + 100 k on an oblique grid, written by ITK.
k, j, i = numpy.mgrid[0:5, 0:4, 0:3]
image = SimpleITK.GetImageFromArray((i + 10 * j + 100 * k).astype(numpy.int16))
c, s = numpy.cos(0.3), numpy.sin(0.3)
image.SetDirection([c, -s, 0, s, c, 0, 0, 0, 1])
image.SetSpacing([0.5, 0.75, 2.5])
image.SetOrigin([-10, 20.25, 1 / 3])
for name in ["oblique.mha", "oblique.nrrd"]:
    SimpleITK.WriteImage(image, str(target / name), useCompression=True)
