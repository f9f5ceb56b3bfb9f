# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""A synthetic twin of INbreast on disk, as its archive is unpacked.

    AllDICOMs/<image>_<patient>_MG_<L|R>_<CC|ML>_ANON.dcm    four views a patient; INbreast's names say ML for MLO
    AllXML/<image>.xml                                       outlines as OsiriX writes them; normal images have none
    INbreast.csv                                             `;`, with BI-RADS
    phantom.json                                             what was written, with digests: see `output_folder.py`

Each patient has one or two masses in one breast, seen in both views; the other breast is normal. As in the original,
``Mass`` is spelt in several ways and other kinds of regions stand beside it.
"""

from __future__ import annotations

import hashlib
import logging
import plistlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid

from monai_acdr.data.phantoms.breast import LARGEST_VALUE, BreastPhantom, check_twin
from monai_acdr.data.phantoms.output_folder import replace_output

__all__ = ["write_inbreast_twin"]

logger = logging.getLogger(__name__)

FILM_HEIGHT = 285.88
"""Height of the detector in mm: 4084 rows of 0.07 mm, as in the original."""
FIRST_IMAGE = 99000001
SPELLINGS = ("Mass", "Mass ", "mass")
CSV_HEADER = "Patient ID;Patient age;Laterality;View;Acquisition date;File Name;ACR;Bi-Rads"
MASS_BIRADS = ("4a", "4b", "4c", "5", "6", "3")
VIEW_CODES = {"CC": ("399162004", "cranio-caudal"), "MLO": ("399368009", "medio-lateral oblique")}
MAMMOGRAM_STORAGE = UID("1.2.840.10008.5.1.4.1.1.1.2")
"""Digital Mammography X-Ray Image Storage - For Presentation."""


def write_inbreast_twin(
    output_dir: str | Path, num_patients: int = 8, size: tuple[int, int] = (256, 208), seed: int = 0
) -> Path:
    """Write synthetic mammograms with the outlines of their masses.

    The same arguments give the same bytes. The folder is complete or absent; an earlier, untouched twin is replaced.

    Args:
        output_dir: folder to write into: absent, empty, or an earlier output of this function.
        num_patients: at least 1, of four images each; every third patient's are MONOCHROME1.
        size: (H, W) of the images in pixels, at least 64 x 48. The pixel size follows: the detector is 286 mm high.
        seed: non-negative integer.

    Returns:
        The folder, resolved.

    Raises:
        FileExistsError: when the folder holds anything that an earlier twin did not write.
        ValueError: when a number is out of range.
    """
    size = check_twin(num_patients, size, seed)
    parameters = {"function": "write_inbreast_twin", "num_patients": num_patients, "size": list(size), "seed": seed}
    with replace_output(Path(output_dir), parameters) as folder:
        for name in ("AllDICOMs", "AllXML"):
            (folder / name).mkdir()
        rows = [row for index in range(num_patients) for row in _write_patient(folder, index, size, seed)]
        (folder / "INbreast.csv").write_text("\n".join([CSV_HEADER, *rows]) + "\n", encoding="utf-8")
    output = Path(output_dir).resolve()
    logger.info("Wrote %d synthetic patients, 4 mammograms each, to %s.", num_patients, output)
    return output


def _write_patient(folder: Path, index: int, size: tuple[int, int], seed: int) -> list[str]:
    """Write four images and the outlines of two; return their rows of the table."""
    rng = np.random.default_rng([seed, index])
    patient = hashlib.sha256(f"inbreast twin {seed} {index}".encode()).hexdigest()[:16]
    diseased, num_masses = "LR"[index % 2], 1 + index // 2 % 2
    birads, density = MASS_BIRADS[index % len(MASS_BIRADS)], 1 + index % 4
    rows = []
    for number, (side, view) in enumerate((side, view) for side in "LR" for view in ("CC", "MLO")):
        image = str(FIRST_IMAGE + 4 * index + number)
        breast = BreastPhantom(rng, size, side, view, num_masses if side == diseased else 0)
        name = f"{image}_{patient}_MG_{side}_{'ML' if view == 'MLO' else view}_ANON.dcm"
        dataset = _dataset((seed, index, number, *size), size, side, view, inverted=index % 3 == 2)
        _save(dataset, folder / "AllDICOMs" / name, breast.pixels)
        if side == diseased:
            _write_outlines(folder / "AllXML" / f"{image}.xml", breast, SPELLINGS[(index + number) % len(SPELLINGS)])
        rows.append(f"removed;removed;{side};{view};201001;{image};{density};{birads if side == diseased else '1'}")
    return rows


def _write_outlines(path: Path, breast: BreastPhantom, spelling: str) -> None:
    regions = [(spelling, mass) for mass in breast.masses]
    center = breast.masses[0].mean(axis=0)
    regions.append(("Spiculated Region", center + 1.3 * (breast.masses[0] - center)))
    regions.append(("Calcification", center[None] + 1.0))
    rois = [_region(number, name, points, breast.spacing) for number, (name, points) in enumerate(regions)]
    images = [{"ImageIndex": 0, "NumberOfROIs": len(rois), "ROIs": rois}]
    path.write_bytes(plistlib.dumps({"Images": images}, fmt=plistlib.FMT_XML))


def _region(number: int, name: str, points: np.ndarray, spacing: float) -> dict[str, object]:
    """One region with the keys that OsiriX writes."""
    center = points.mean(axis=0)
    return {
        "Area": 0.0,
        "Center": _numbers((*(center - 0.5) * spacing, 0.0)),
        "Dev": 0.0,
        "IndexInImage": number,
        "Max": 0.0,
        "Mean": 0.0,
        "Min": 0.0,
        "Name": name,
        "NumberOfPoints": len(points),
        "Point_mm": [_numbers((*(point - 0.5) * spacing, 0.0)) for point in points],
        "Point_px": [_numbers(point) for point in points],
        "Total": 0.0,
        "Type": 15 if len(points) > 1 else 19,
    }


def _numbers(values: Sequence[float] | np.ndarray) -> str:
    return f"({', '.join(f'{value:.6f}' for value in values)})"


def _dataset(entropy: Sequence[int], size: tuple[int, int], side: str, view: str, inverted: bool) -> FileDataset:
    """Header of a mammogram (DICOM PS3.3 A.26), clearly synthetic."""
    parts = ["monai_acdr inbreast twin", *map(str, entropy)]
    meta = FileMetaDataset()
    meta.FileMetaInformationGroupLength, meta.FileMetaInformationVersion = 0, b"\x00\x01"
    meta.MediaStorageSOPClassUID, meta.TransferSyntaxUID = MAMMOGRAM_STORAGE, ExplicitVRLittleEndian
    meta.ImplementationClassUID = generate_uid(entropy_srcs=["monai_acdr implementation"])
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[*parts, "instance"])
    dataset = FileDataset(
        "phantom", {}, file_meta=meta, preamble=b"\0" * 128, is_implicit_VR=False, is_little_endian=True
    )
    dataset.SOPClassUID, dataset.SOPInstanceUID = MAMMOGRAM_STORAGE, meta.MediaStorageSOPInstanceUID
    dataset.StudyInstanceUID = generate_uid(entropy_srcs=[*parts[:3], "study"])
    dataset.SeriesInstanceUID = generate_uid(entropy_srcs=[*parts, "series"])
    dataset.PatientName, dataset.PatientID = "Synthetic^Phantom", f"SYN{entropy[1] + 1:07d}"
    dataset.PatientBirthDate, dataset.PatientSex, dataset.StudyID = "", "F", "1"
    dataset.StudyDate, dataset.StudyTime, dataset.AccessionNumber = "20100101", "120000", ""
    dataset.ReferringPhysicianName, dataset.Manufacturer, dataset.QualityControlSubject = "", "monai_acdr", "YES"
    dataset.Modality, dataset.SeriesNumber, dataset.InstanceNumber = "MG", 1, entropy[2] + 1
    dataset.PresentationIntentType, dataset.ImageType = "FOR PRESENTATION", ["ORIGINAL", "PRIMARY", ""]
    dataset.BodyPartExamined, dataset.OrganExposed = "BREAST", "BREAST"
    dataset.ImageLaterality, dataset.ViewPosition, dataset.BreastImplantPresent = side, view, "NO"
    dataset.ViewCodeSequence = DicomSequence([_code(*VIEW_CODES[view])])
    dataset.PatientOrientation = ["A" if side == "L" else "P", "R" if view == "CC" else "F"]
    dataset.ImagerPixelSpacing = [f"{FILM_HEIGHT / size[0]:.6f}"] * 2
    dataset.SamplesPerPixel, dataset.Rows, dataset.Columns = 1, *size
    dataset.PhotometricInterpretation = "MONOCHROME1" if inverted else "MONOCHROME2"
    dataset.PresentationLUTShape = "INVERSE" if inverted else "IDENTITY"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 14, 13, 0
    dataset.PixelIntensityRelationship, dataset.PixelIntensityRelationshipSign = "LOG", -1 if inverted else 1
    dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = "0", "1", "US"
    dataset.WindowCenter, dataset.WindowWidth = f"{(LARGEST_VALUE + 1) // 2}", f"{LARGEST_VALUE + 1}"
    dataset.BurnedInAnnotation, dataset.LossyImageCompression = "NO", "00"
    return dataset


def _code(value: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "SCT", meaning
    return item


def _save(dataset: FileDataset, path: Path, pixels: np.ndarray) -> None:
    stored = LARGEST_VALUE - pixels if dataset.PhotometricInterpretation == "MONOCHROME1" else pixels
    dataset.PixelData = stored.astype("<u2").tobytes()
    dataset.save_as(str(path))
