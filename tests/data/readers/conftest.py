# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Small DICOM mammograms of any kind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

IDENTITY = {"PatientName": "Secret^Name", "PatientID": "SECRET", "InstitutionName": "SECRET", "AccessionNumber": "S1"}


def make_mammogram(pixels: np.ndarray | None = None, syntax: str = ExplicitVRLittleEndian, **elements: Any) -> Dataset:
    """A dataset of 14 in 16 bit, 0.07 mm at the detector; an element given as None is left out."""
    pixels = np.arange(24, dtype="<u2").reshape(4, 6) if pixels is None else pixels
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = meta.MediaStorageSOPInstanceUID = UID("1.2.840.10008.5.1.4.1.1.1.2")
    meta.TransferSyntaxUID = UID(syntax)
    dataset = FileDataset("x", {}, file_meta=meta, preamble=b"\0" * 128, is_implicit_VR=False, is_little_endian=True)
    values = {
        "SOPClassUID": meta.MediaStorageSOPClassUID,
        "SOPInstanceUID": "1.2.3",
        **IDENTITY,
        "Modality": "MG",
        "ImagerPixelSpacing": [0.07, 0.08],
        "Rows": pixels.shape[-2],
        "Columns": pixels.shape[-1],
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": 8 * pixels.dtype.itemsize,
        "BitsStored": min(14, 8 * pixels.dtype.itemsize),
        "HighBit": min(14, 8 * pixels.dtype.itemsize) - 1,
        "PixelRepresentation": int(pixels.dtype.kind == "i"),
        "PixelData": pixels.tobytes(),
        **elements,
    }
    for keyword, value in values.items():
        if value is not None:
            setattr(dataset, keyword, value)
    return dataset


def _write(path: Path, pixels: np.ndarray | None = None, **options: Any) -> Path:
    make_mammogram(pixels, **options).save_as(str(path))
    return path


@pytest.fixture(scope="session")
def write_mammogram() -> Callable[..., Path]:
    return _write


@pytest.fixture(scope="session")
def mammogram() -> Callable[..., Dataset]:
    return make_mammogram
