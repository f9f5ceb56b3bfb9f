# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Tiny data sets on disk, in the four layouts of Sunnybrook Cardiac Data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

SIZE = (64, 72)


def disc(center: tuple[float, float], radius: float) -> np.ndarray:
    """(H, W) bool; the center is (x, y)."""
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]] + 0.5
    return (columns - center[0]) ** 2 + (rows - center[1]) ** 2 < radius**2


def heart_image(center: tuple[float, float] = (36.0, 32.0)) -> np.ndarray:
    """(H, W) uint8: bright blood of radius 8, dark wall to radius 14, gray around."""
    pixels = np.full(SIZE, 90, dtype=np.uint8)
    pixels[disc(center, 14)] = 20
    pixels[disc(center, 8)] = 220
    return pixels


def _write_dicom(path: Path, frame: int = 1, pixels: np.ndarray | None = None, **elements: Any) -> Path:
    """A small MR image; an element given as None is left out."""
    pixels = heart_image() if pixels is None else pixels
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.4"
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    values = {
        "SOPClassUID": meta.MediaStorageSOPClassUID,
        "SOPInstanceUID": meta.MediaStorageSOPInstanceUID,
        "PatientName": "Secret^Name",
        "PatientID": "SECRET",
        "Modality": "MR",
        "InstanceNumber": frame,
        "Rows": pixels.shape[-2],
        "Columns": pixels.shape[-1],
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": 16,
        "BitsStored": 16,
        "HighBit": 15,
        "PixelRepresentation": 1,
        "PixelSpacing": [1.3, 1.3],
        "PixelData": pixels.astype("<i2").tobytes(),
        **elements,
    }
    for keyword, value in values.items():
        if value is not None:
            setattr(dataset, keyword, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    _save(dataset, path)
    return path


def _save(dataset: Dataset, path: Path) -> None:
    if int(pydicom.__version__.split(".")[0]) >= 3:
        dataset.save_as(path, enforce_file_format=True)
    else:
        dataset.is_little_endian, dataset.is_implicit_VR = True, False
        dataset.save_as(path, write_like_original=False)


def _write_png(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def _write_circle(path: Path, center: tuple[float, float] = (36.0, 32.0), radius: float = 8.0) -> Path:
    """A contour file written by hand: pixel-center coordinates, hence minus 0.5."""
    angles = 2 * np.pi * np.arange(40) / 40
    points = np.stack([center[0] + radius * np.cos(angles), center[1] + radius * np.sin(angles)], axis=1) - 0.5
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{x:.2f} {y:.2f}\n" for x, y in points))
    return path


@pytest.fixture(scope="session")
def write_dicom() -> Callable[..., Path]:
    return _write_dicom


@pytest.fixture(scope="session")
def write_png() -> Callable[[Path, np.ndarray], Path]:
    return _write_png


@pytest.fixture(scope="session")
def write_circle() -> Callable[..., Path]:
    return _write_circle


@pytest.fixture(scope="session")
def make_heart() -> Callable[..., np.ndarray]:
    return heart_image


@pytest.fixture(scope="session")
def make_disc() -> Callable[..., np.ndarray]:
    return disc


def _contours(folder: Path, kinds: dict[str, list[int]]) -> None:
    for kind, frames in kinds.items():
        for frame in frames:
            name = f"IM-0001-{frame:04d}-{kind}contour-manual.txt"
            _write_circle(folder / name, radius=8.0 if kind == "i" else 13.0)


@pytest.fixture
def miccai_tree(tmp_path: Path) -> Path:
    """SC-HF-I-1 (training, series 0004, frames 1-4) and SC-N-5 (validation, frames 1-2), nested as unpacked."""
    root = tmp_path / "scd"
    for frame in (1, 2, 3, 4):
        _write_dicom(root / "challenge_training" / "SC-HF-I-1" / f"IM-0004-{frame:04d}.dcm", frame)
    for frame in (1, 2):
        _write_dicom(root / "challenge_validation" / "SC-N-5" / f"IM-0963-{frame:04d}.dcm", frame)
    part = root / "Sunnybrook ContoursPart3" / "TrainingDataContours" / "SC-HF-I-01"
    _contours(part / "contours-manual" / "IRCCI-expert", {"i": [2, 4], "o": [2], "p1-": [2]})
    part = root / "Part2" / "ValidationDataContours" / "SC-N-05"
    _contours(part / "contours-manual" / "IRCCI-expert", {"i": [1]})
    return root


@pytest.fixture
def atlas_tree(tmp_path: Path) -> Path:
    """SCD0000101 (SC-HF-I-1, frames 58-60) and SCD0001201 (SC-HF-I-40, CINESAX_4, frame 7)."""
    root = tmp_path / "scd"
    for frame in (58, 59, 60):
        _write_dicom(root / "SCD_IMAGES_01" / "SCD0000101" / "CINESAX_300" / f"IM-0003-{frame:04d}.dcm", frame)
    _write_dicom(root / "SCD_IMAGES_02" / "SCD0001201" / "CINESAX_4" / "IM-0002-0007.dcm", 7)
    for folder, frames in (("SC-HF-I-01", [59]), ("SC-HF-I-40", [7])):
        contours = root / "SCD_ManualContours" / folder / "contours-manual" / "IRCCI-expert"
        _contours(contours, {"i": frames, "o": frames[:1]})
    return root


@pytest.fixture
def link_tree(tmp_path: Path) -> Path:
    """SCD0000101 (SC-HF-I-1, frames 9, 10, 59) with contours of 9 and 59; a byte order mark before the header."""
    root = tmp_path / "scd"
    for frame in (9, 10, 59):
        _write_dicom(root / "dicoms" / "SCD0000101" / f"{frame}.dcm", frame)
    _contours(root / "contourfiles" / "SC-HF-I-1" / "i-contours", {"i": [9, 59]})
    _contours(root / "contourfiles" / "SC-HF-I-1" / "o-contours", {"o": [59]})
    (root / "link.csv").write_text("patient_id,original_id\nSCD0000101,SC-HF-I-1\n", encoding="utf-8-sig")
    return root


@pytest.fixture
def png_tree(tmp_path: Path) -> Path:
    """SC-HF-I-1 (training) and SC-N-5, SC-N-6 (validation), one frame each."""
    root = tmp_path / "scd"
    frames = {"training": ["SC-HF-I-01-IM-0001-0048"], "validation": ["SC-N-05-IM-0001-0007", "SC-N-06-IM-0001-0008"]}
    for group, names in frames.items():
        for name in names:
            _write_png(root / group / "images" / f"{name}.png", heart_image())
            _write_png(root / group / "endo_masks" / f"{name}.png", 255 * disc((36.0, 32.0), 8).astype(np.uint8))
    return root
