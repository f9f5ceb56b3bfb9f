# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""A synthetic twin of CBIS-DDSM on disk, with the oddities of its downloads.

    mass_case_description_{train,test}_set.csv
    Mass-Training_P_00001_LEFT_CC/<study>/<series>/1-1.dcm       full mammogram, 16 bit
    Mass-Training_P_00001_LEFT_CC_1/<study>/<series>/1-1.dcm     crop, 16 bit, and mask, 8 bit, in either order
    phantom.json                                                 what was written, with digests: see `output_folder.py`

The tables name ``000000.dcm`` and ``000001.dcm``; the first patient's files have these names, the others' the newer
ones. In every second row the columns of crop and mask are swapped, every third row's paths end in a line end, and the
first mask of the test group is smaller than its image.
"""

from __future__ import annotations

import csv
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

from monai_acdr.data.mask_outline import fit_mask
from monai_acdr.data.phantoms.breast import LARGEST_VALUE, BreastPhantom, check_twin
from monai_acdr.data.phantoms.output_folder import replace_output
from monai_acdr.transforms.contour import contour_to_mask

__all__ = ["write_cbis_ddsm_twin"]

logger = logging.getLogger(__name__)

COLUMNS = (
    *("patient_id", "breast_density", "left or right breast", "image view", "abnormality id", "abnormality type"),
    *("mass shape", "mass margins", "assessment", "pathology", "subtlety"),
    *("image file path", "cropped image file path", "ROI mask file path"),
)
SPLITS = {"train": "Training", "test": "Test"}
SHAPES, MARGINS = ("LOBULATED", "OVAL", "IRREGULAR"), ("CIRCUMSCRIBED", "ILL_DEFINED", "SPICULATED")
PATHOLOGY = ("MALIGNANT", "BENIGN", "BENIGN_WITHOUT_CALLBACK")
MASK_SCALE = 0.8
"""Of the one mask that is smaller than its image."""
MARGIN = 4
"""Pixels around a mass in its crop."""


def write_cbis_ddsm_twin(
    output_dir: str | Path,
    num_patients: int = 8,
    size: tuple[int, int] = (256, 208),
    seed: int = 0,
    spacing: float | None = None,
) -> Path:
    """Write synthetic mammograms with masks of their masses: two views of one breast a patient.

    The same arguments give the same bytes. The folder is complete or absent; an earlier, untouched twin is replaced.

    Args:
        output_dir: folder to write into: absent, empty, or an earlier output of this function.
        num_patients: at least 2; the first half, rounded up, is the training group. Every second has two masses.
        size: (H, W) of the images, at least 64 x 48.
        seed: non-negative integer.
        spacing: mm of a pixel, written as PixelSpacing; None writes none, as in the original.

    Returns:
        The folder, resolved.

    Raises:
        FileExistsError: when the folder holds anything that an earlier twin did not write.
        ValueError: when a number is out of range.
    """
    size = check_twin(num_patients, size, seed, fewest=2)
    parameters = {"function": "write_cbis_ddsm_twin", "num_patients": num_patients, "size": list(size), "seed": seed}
    with replace_output(Path(output_dir), {**parameters, "spacing": spacing}) as folder:
        writer = _Writer(folder, size, seed, spacing)
        half = (num_patients + 1) // 2
        for split, patients in (("train", range(half)), ("test", range(half, num_patients))):
            rows = [row for index in patients for row in writer.patient(split, index, index == half)]
            with open(folder / f"mass_case_description_{split}_set.csv", "w", encoding="utf-8", newline="") as stream:
                csv.writer(stream, lineterminator="\n").writerows([COLUMNS, *rows])
    output = Path(output_dir).resolve()
    logger.info("Wrote %d synthetic patients, 2 mammograms each, to %s.", num_patients, output)
    return output


@dataclass
class _Writer:
    """Writes patients into a folder; ``rows`` counts the rows of both tables."""

    folder: Path
    size: tuple[int, int]
    seed: int
    spacing: float | None
    rows: int = 0

    def patient(self, split: str, index: int, resize_first: bool) -> Iterator[list[str]]:
        """Write the files of one patient and give the rows of the table."""
        rng = np.random.default_rng([self.seed, index])
        side, old_names = ("LEFT", "RIGHT")[index % 2], index == 0
        for view in ("CC", "MLO"):
            breast = BreastPhantom(rng, self.size, side[0], view, 1 + index % 2)
            subject = f"Mass-{SPLITS[split]}_P_{index + 1:05d}_{side}_{view}"
            image = self._series(subject, 1, [breast.pixels], old_names)[0]
            for number, outline in enumerate(breast.masses, start=1):
                mask = contour_to_mask(torch.from_numpy(outline), self.size, threshold=0.5)[0].numpy().astype(bool)
                crop = _crop(breast.pixels, mask)
                if resize_first and view == "CC" and number == 1:
                    mask = fit_mask(mask, (round(MASK_SCALE * self.size[0]), round(MASK_SCALE * self.size[1])))
                swapped = self.rows % 2 == 1
                stored = [crop, mask.astype(np.uint8) * 255]
                paths = self._series(f"{subject}_{number}", 2, stored[::-1] if swapped else stored, old_names)
                end = "\n" if self.rows % 3 == 0 else ""
                # The columns say crop, mask in the order of the files, whatever these hold.
                yield [*self._facts(index, side, view, number), image, *(path + end for path in paths)]
                self.rows += 1

    def _facts(self, index: int, side: str, view: str, number: int) -> list[str]:
        kind = index % 3
        return [
            *(f"P_{index + 1:05d}", str(1 + index % 4), side, view, str(number), "mass"),
            *(SHAPES[kind], MARGINS[kind], str((5, 4, 2)[kind]), PATHOLOGY[kind], str(1 + index % 5)),
        ]

    def _series(self, subject: str, number: int, images: list[np.ndarray], old_names: bool) -> list[str]:
        """Write one series; its paths as the tables name them."""
        study = generate_uid(entropy_srcs=["monai_acdr cbis twin", str(self.seed), subject])
        series = generate_uid(entropy_srcs=["monai_acdr cbis twin", str(self.seed), subject, str(number)])
        folder = self.folder / subject / study / series
        folder.mkdir(parents=True)
        for index, pixels in enumerate(images):
            name = f"{index:06d}.dcm" if old_names else f"1-{index + 1}.dcm"
            dataset = _dataset(subject, study, series, index, pixels)
            if self.spacing is not None:
                dataset.PixelSpacing = [f"{self.spacing:g}"] * 2
            dataset.save_as(str(folder / name))
        return [f"{subject}/{study}/{series}/{index:06d}.dcm" for index in range(len(images))]


def _crop(pixels: np.ndarray, mask: np.ndarray) -> np.ndarray:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    top, left = max(rows[0] - MARGIN, 0), max(columns[0] - MARGIN, 0)
    return pixels[top : rows[-1] + MARGIN + 1, left : columns[-1] + MARGIN + 1]


def _dataset(subject: str, study: str, series: str, index: int, pixels: np.ndarray) -> FileDataset:
    """One image with the few elements that the published files have, clearly synthetic."""
    instance = generate_uid(entropy_srcs=["monai_acdr cbis twin", series, str(index)])
    meta = FileMetaDataset()
    meta.FileMetaInformationGroupLength, meta.FileMetaInformationVersion = 0, b"\x00\x01"
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = SecondaryCaptureImageStorage, instance
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = generate_uid(entropy_srcs=["monai_acdr implementation"])
    dataset = FileDataset(
        "phantom", {}, file_meta=meta, preamble=b"\0" * 128, is_implicit_VR=False, is_little_endian=True
    )
    dataset.SOPClassUID, dataset.SOPInstanceUID = SecondaryCaptureImageStorage, instance
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study, series
    dataset.StudyDate, dataset.StudyTime, dataset.AccessionNumber, dataset.StudyID = "20160720", "120000", "", "1"
    dataset.ReferringPhysicianName, dataset.PatientBirthDate, dataset.PatientSex = "", "", ""
    dataset.Modality, dataset.ConversionType, dataset.BodyPartExamined = "MG", "WSD", "BREAST"
    dataset.PatientName, dataset.PatientID = subject, subject
    dataset.QualityControlSubject = "YES"
    dataset.SeriesNumber, dataset.InstanceNumber = 1, index + 1
    dataset.PatientOrientation = ["", ""]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = pixels.shape
    bits = 8 * pixels.dtype.itemsize
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = bits, bits, bits - 1, 0
    dataset.SmallestImagePixelValue, dataset.LargestImagePixelValue = 0, LARGEST_VALUE if bits == 16 else 255
    data = np.ascontiguousarray(pixels.astype(pixels.dtype.newbyteorder("<"))).tobytes()
    dataset.PixelData = data + b"\0" * (len(data) % 2)
    return dataset
