"""DICOM series that scanners and archives make, and that readers get wrong: variants(folder) writes one folder for each."""
import numpy
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import (DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian,
                         JPEG2000Lossless, JPEGLSLossless, RLELossless, generate_uid)

CLASSES = {"CT": "1.2.840.10008.5.1.4.1.1.2", "MR": "1.2.840.10008.5.1.4.1.1.4", "PT": "1.2.840.10008.5.1.4.1.1.128",
           "US": "1.2.840.10008.5.1.4.1.1.6.1"}
ROWS, COLUMNS, SLICES = 36, 41, 7
TURN = numpy.deg2rad(25)
OBLIQUE = [numpy.cos(TURN), numpy.sin(TURN), 0, 0, 0, -1]
AXIAL = [1, 0, 0, 0, 1, 0]


def text(x):
    return f"{x:.9g}"


class Maker:
    def __init__(self, folder):
        self.folder = folder
        self.random = numpy.random.default_rng(7)

    def pixels(self, low=0, high=4096, dtype="uint16", shape=(ROWS, COLUMNS)):
        return self.random.integers(low, high, shape).astype(dtype)

    def slice(self, pixels, modality="CT", position=(0, 0, 0), orientation=AXIAL, stored=None, signed=False, number=1, series="1.2.3.4", **more):
        ds = Dataset()
        ds.file_meta = FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        ds.SOPClassUID = CLASSES[modality]
        ds.SOPInstanceUID = generate_uid(entropy_srcs=[series, str(number), str(self.random.integers(1 << 40))])
        ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = "1.2.3", series, "1.2.3.9"
        ds.Modality, ds.InstanceNumber, ds.ImageType = modality, number, ["ORIGINAL", "PRIMARY", "AXIAL"]
        ds.PatientID, ds.PatientName = "P1", "Doe^Jane"
        ds.Rows, ds.Columns = pixels.shape[:2]
        ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
        ds.BitsAllocated = 8 * pixels.dtype.itemsize
        ds.BitsStored = stored or ds.BitsAllocated
        ds.HighBit, ds.PixelRepresentation = ds.BitsStored - 1, int(signed)
        if position is not None:
            ds.ImagePositionPatient = [text(x) for x in position]
            ds.ImageOrientationPatient = [text(x) for x in orientation]
            ds.PixelSpacing, ds.SliceThickness = ["0.75", "0.5"], "2"
        if modality == "CT":
            ds.RescaleSlope, ds.RescaleIntercept = "1", "-1024"
        for name, value in more.items():
            setattr(ds, name, value)
        ds.PixelData = pixels.tobytes()
        return ds

    def stack(self, orientation=AXIAL, step=None, count=SLICES, start=(10, -20, 30), first=1, **more):
        """Slices in instance order; `step` in millimetres, the normal times 2 when not given."""
        row, column = numpy.array(orientation[:3]), numpy.array(orientation[3:])
        step = 2 * numpy.cross(row, column) if step is None else numpy.array(step)
        make = more.pop("make", lambda: self.pixels())
        return [self.slice(make(), position=numpy.array(start) + k * step, orientation=orientation, number=first + k, **more) for k in range(count)]

    def write(self, case, datasets, shuffle=True):
        target = self.folder / case
        target.mkdir()
        order = self.random.permutation(len(datasets)) if shuffle else range(len(datasets))
        for at, which in enumerate(order):
            ds = datasets[which]
            ds.file_meta.MediaStorageSOPInstanceUID, ds.file_meta.MediaStorageSOPClassUID = ds.SOPInstanceUID, ds.SOPClassUID
            ds["PixelData"].VR = "OB" if ds.BitsAllocated == 8 or ds.file_meta.TransferSyntaxUID.is_compressed and ds.file_meta.TransferSyntaxUID != DeflatedExplicitVRLittleEndian else "OW"
            ds.save_as(target / f"{at:03}.dcm", enforce_file_format=True)


def enhanced(maker, frames, orientation=AXIAL, rescale=None, echoes=(None,)):
    """An enhanced MR whose frames lie in reversed and shuffled order."""
    places = [(place, echo) for place in range(frames) for echo in echoes]
    order = maker.random.permutation(len(places))
    ds = maker.slice(maker.pixels(shape=(ROWS, COLUMNS)), modality="MR", position=None)
    ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.4.1"
    ds.NumberOfFrames = len(places)
    ds.PixelData = maker.pixels(shape=(len(places), ROWS, COLUMNS)).tobytes()
    measures, plane = Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = ["0.75", "0.5"], "2"
    plane.ImageOrientationPatient = [text(x) for x in orientation]
    shared = Dataset()
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = Sequence([measures]), Sequence([plane])
    ds.SharedFunctionalGroupsSequence = Sequence([shared])
    normal = numpy.cross(orientation[:3], orientation[3:])
    groups = []
    for at in order:
        place, echo = places[at]
        group, position = Dataset(), Dataset()
        position.ImagePositionPatient = [text(x) for x in numpy.array([5, 6, 7]) - 3 * place * normal]
        group.PlanePositionSequence = Sequence([position])
        if rescale:
            transform = Dataset()
            transform.RescaleSlope, transform.RescaleIntercept, transform.RescaleType = text(rescale(place)), "-10", "US"
            group.PixelValueTransformationSequence = Sequence([transform])
        if echo is not None:
            item = Dataset()
            item.EffectiveEchoTime = float(echo)
            group.MREchoSequence = Sequence([item])
        groups.append(group)
    ds.PerFrameFunctionalGroupsSequence = Sequence(groups)
    return ds


def compressed(datasets, syntax, **options):
    for ds in datasets:
        ds.compress(syntax, **options, generate_instance_uid=False)
    return datasets


def colours(maker, photometric, planar=0, **more):
    frames = []
    for number in range(3):
        pixels = maker.pixels(0, 256, "uint8", (ROWS, 16, 3))
        if photometric == "YBR_FULL_422":
            flat = pixels.reshape(-1, 2, 3)
            data = numpy.stack([flat[:, 0, 0], flat[:, 1, 0], flat[:, 0, 1], flat[:, 0, 2]], 1)
        else:
            data = pixels.transpose(2, 0, 1) if planar else pixels
        ds = maker.slice(pixels, modality="US", position=None, number=3 - number, SamplesPerPixel=3, PhotometricInterpretation=photometric,
                         PlanarConfiguration=planar, **more)
        ds.PixelData = data.tobytes()
        frames.append(ds)
    return frames


def palette(maker):
    ds = maker.slice(maker.pixels(0, 64, "uint8"), modality="US", position=None, PhotometricInterpretation="PALETTE COLOR")
    for name in ["Red", "Green", "Blue"]:
        setattr(ds, f"{name}PaletteColorLookupTableDescriptor", [64, 0, 16])
        setattr(ds, f"{name}PaletteColorLookupTableData", (maker.random.integers(0, 256, 64) * 257).astype("uint16").tobytes())
    return [ds]


def pet(maker, **more):
    datasets = maker.stack(modality="PT", start=(0, 0, 0), Units="BQML", DecayCorrection="START", CorrectedImage=["DECY", "ATTN"], PatientWeight="70",
                           SeriesDate="20200102", SeriesTime="101500", AcquisitionDate="20200102", AcquisitionTime="101500", RescaleIntercept="0")
    for at, ds in enumerate(datasets):
        ds.RescaleSlope = text(1.5 + 0.25 * at)
        drug = Dataset()
        drug.RadionuclideTotalDose, drug.RadionuclideHalfLife, drug.RadiopharmaceuticalStartTime = "350000000", "6586.2", "091500"
        ds.RadiopharmaceuticalInformationSequence = Sequence([drug])
    return datasets


def variants(folder):
    m = Maker(folder)
    m.write("implicit", [set_syntax(ds, ImplicitVRLittleEndian) for ds in m.stack()])
    m.write("big_endian", [big(ds) for ds in m.stack()])
    m.write("big_endian_8", [set_syntax(ds, ExplicitVRBigEndian) for ds in m.stack(make=lambda: m.pixels(0, 256, "uint8", (12, 16)))])
    m.write("deflated", [set_syntax(ds, DeflatedExplicitVRLittleEndian) for ds in m.stack()])
    m.write("rle", compressed(m.stack(), RLELossless))
    m.write("rle_8", compressed(m.stack(make=lambda: m.pixels(0, 256, "uint8")), RLELossless))
    m.write("jpeg_ls_signed", compressed(m.stack(make=lambda: m.pixels(-1000, 3000, "int16"), signed=True), JPEGLSLossless))
    m.write("j2k_signed", compressed(m.stack(make=lambda: m.pixels(-1000, 3000, "int16"), signed=True), JPEG2000Lossless))
    m.write("j2k_12", compressed(m.stack(stored=12), JPEG2000Lossless))
    m.write("signed_16", m.stack(make=lambda: m.pixels(-32768, 32768, "int16"), signed=True))
    m.write("signed_12", m.stack(make=lambda: m.pixels(-2048, 2048, "int16") & 0x0FFF, signed=True, stored=12))
    m.write("unsigned_16", m.stack(make=lambda: m.pixels(0, 65536), modality="MR"))
    m.write("dirty_high_bits", m.stack(make=lambda: m.pixels() | (m.pixels(0, 16) << 12), stored=12, modality="MR"))
    m.write("signed_8", m.stack(make=lambda: m.pixels(-128, 128, "int8"), signed=True, modality="MR"))
    m.write("unsigned_32", m.stack(make=lambda: m.pixels(0, 1 << 30, "uint32"), modality="MR"))
    m.write("oblique", m.stack(orientation=OBLIQUE, modality="MR"))
    m.write("reversed", m.stack(step=(0, 0, -2)))
    m.write("mirrored_columns", m.stack(orientation=[1, 0, 0, 0, -1, 0], step=(0, 0, 2)))
    m.write("tilted", m.stack(orientation=[1, 0, 0, 0, numpy.cos(0.3), -numpy.sin(0.3)], step=(0, 0, 3)))
    m.write("single", m.stack(count=1, orientation=OBLIQUE, modality="MR"))
    twice = m.stack()
    m.write("same_uid_twice", twice + [pydicom.dcmread(again(m, ds)) for ds in twice[2:4]])
    copies = [pydicom.dcmread(again(m, ds)) for ds in twice[1:3]]
    for ds in copies:
        ds.SOPInstanceUID += ".9"
    m.write("other_uid_twice", twice + copies)
    contradiction = pydicom.dcmread(again(m, twice[0]))
    contradiction.PixelData = m.pixels().tobytes()
    m.write("same_uid_other_pixels", twice + [contradiction])
    full = m.stack(count=10)
    m.write("missing", full[:3] + full[5:])
    m.write("uneven", [ds for at, ds in enumerate(m.stack(step=(0, 0, 1), count=16)) if at in (0, 1, 2, 5, 7, 11, 12, 15)])
    m.write("monochrome1_mr", m.stack(modality="MR", stored=12, PhotometricInterpretation="MONOCHROME1"))
    m.write("monochrome1_ct", m.stack(PhotometricInterpretation="MONOCHROME1"))
    m.write("pet_rescale_per_slice", pet(m))
    m.write("fractional_rescale", m.stack(RescaleSlope="0.37", RescaleIntercept="-3.5"))
    scout = m.stack(orientation=OBLIQUE, count=2, first=90, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    m.write("localizer_inside", m.stack() + scout)
    m.write("localizer_same_way", m.stack() + m.stack(count=9, first=90, start=(10, -20, 31), ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]))
    m.write("two_orientations", m.stack() + m.stack(orientation=OBLIQUE, count=4, first=50))
    m.write("two_sizes", m.stack(count=3) + m.stack(count=5, first=50, make=lambda: m.pixels(shape=(9, 9))))
    m.write("two_acquisitions", m.stack(AcquisitionNumber=1) + m.stack(first=50, AcquisitionNumber=2))
    m.write("interleaved_acquisitions", m.stack(AcquisitionNumber=1) + m.stack(first=50, start=(10, -20, 30.7), AcquisitionNumber=2))
    m.write("joined_acquisitions", m.stack(AcquisitionNumber=1) + m.stack(first=50, start=(10, -20, 44), AcquisitionNumber=2))
    m.write("two_echoes", [ds for k in range(5) for ds in m.stack(count=1, start=(0, 0, 2 * k), first=2 * k, modality="MR", EchoTime="10", AcquisitionNumber=1)
                           + m.stack(count=1, start=(0, 0, 2 * k), first=2 * k + 1, modality="MR", EchoTime="80", AcquisitionNumber=1)])
    m.write("by_number_only", m.stack() + m.stack(first=50))
    m.write("nothing_tells", m.stack() + m.stack(count=2, first=50))
    m.write("enhanced", [enhanced(m, 6, OBLIQUE)])
    m.write("enhanced_rescale", [enhanced(m, 6, rescale=lambda place: 1 + 0.1 * place)])
    m.write("enhanced_echoes", [enhanced(m, 4, echoes=(10, 20))])
    m.write("enhanced_j2k", compressed([enhanced(m, 6, OBLIQUE)], JPEG2000Lossless))
    m.write("enhanced_fragments", [fragments(compressed([enhanced(m, 6)], RLELossless)[0])])
    m.write("rgb", colours(m, "RGB"))
    m.write("rgb_planar", colours(m, "RGB", planar=1))
    m.write("rgb_rle", compressed(colours(m, "RGB"), RLELossless))
    m.write("ybr_full", colours(m, "YBR_FULL"))
    m.write("ybr_422", colours(m, "YBR_FULL_422"))
    m.write("palette", palette(m))
    m.write("us_monochrome", [m.slice(m.pixels(0, 256, "uint8"), modality="US", position=None, number=k) for k in range(3)])
    m.write("no_position", [m.slice(m.pixels(), position=None, number=k) for k in range(3)])
    bare = m.folder / "no_preamble"
    bare.mkdir()
    for at, ds in enumerate(m.stack()):
        del ds.file_meta
        ds.save_as(bare / f"{at}.dcm", implicit_vr=True, little_endian=True)


def again(maker, ds):
    path = maker.folder.parent / f"again-{ds.SOPInstanceUID}.dcm"
    ds.file_meta.MediaStorageSOPInstanceUID, ds.file_meta.MediaStorageSOPClassUID = ds.SOPInstanceUID, ds.SOPClassUID
    ds["PixelData"].VR = "OW"
    ds.save_as(path, enforce_file_format=True)
    return path


def set_syntax(ds, syntax):
    ds.file_meta.TransferSyntaxUID = syntax
    return ds


def big(ds):
    ds.PixelData = numpy.frombuffer(ds.PixelData, "<u2").byteswap().tobytes()
    return set_syntax(ds, ExplicitVRBigEndian)


def fragments(ds):
    """The frames in two fragments each, with a table of offsets."""
    from pydicom.encaps import generate_frames
    frames = [frame for frame in generate_frames(ds.PixelData, number_of_frames=int(ds.NumberOfFrames))]
    ds.PixelData = encapsulate(frames, fragments_per_frame=2)
    return ds
