# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""A small INbreast archive, made without the package's own phantom."""

from __future__ import annotations

import plistlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

PATIENT_A, PATIENT_B = "6c613a14b80a8591", "0123456789abcdef"
HEADER = "Patient ID;Patient age;Laterality;View;Acquisition date;File Name;ACR;Bi-Rads"
SQUARE = ((10, 20), (30, 20), (30, 40), (10, 40))


def write_image(path: Path, size: tuple[int, int] = (60, 50)) -> Path:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = meta.MediaStorageSOPInstanceUID = UID("1.2.840.10008.5.1.4.1.1.1.2")
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("x", {}, file_meta=meta, preamble=b"\0" * 128, is_implicit_VR=False, is_little_endian=True)
    dataset.SOPClassUID, dataset.SOPInstanceUID, dataset.Modality = meta.MediaStorageSOPClassUID, "1.2.3", "MG"
    dataset.ImagerPixelSpacing = [0.07, 0.07]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = size
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 14, 13, 0
    dataset.PixelData = b"\1\0" * (size[0] * size[1])
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(str(path))
    return path


def region(name: str, points: Sequence[Any], **elements: Any) -> dict[str, Any]:
    texts = [point if isinstance(point, str) else f"({point[0]:f}, {point[1]:f})" for point in points]
    return {"Name": name, "NumberOfPoints": len(texts), "Point_px": texts, **elements}


def write_outlines(path: Path, regions: Sequence[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(plistlib.dumps({"Images": [{"ImageIndex": 0, "NumberOfROIs": len(regions), "ROIs": [*regions]}]}))
    return path


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Images 11 and 12 (patient A, two masses and none), 13 (patient B, one mass), 14 (patient B, normal)."""
    root = tmp_path / "in" / "INbreast Release 1.0"
    names = [f"11_{PATIENT_A}_MG_R_CC", f"12_{PATIENT_A}_MG_L_ML", f"13_{PATIENT_B}_MG_L_ML", f"14_{PATIENT_B}_MG_R_FB"]
    for name in names:
        write_image(root / "AllDICOMs" / f"{name}_ANON.dcm")
    second = tuple((x + 5, y + 2) for x, y in SQUARE)
    write_outlines(
        root / "AllXML" / "11.xml",
        [region("Calcification", [(1, 1)]), region("Mass ", SQUARE), region("mASS", second), region("Massive", SQUARE)],
    )
    write_outlines(root / "AllXML" / "12.xml", [region("Spiculated Region", SQUARE), region("", [])])
    write_outlines(root / "AllXML" / "13.xml", [region("Mass", SQUARE)])
    rows = ["removed;removed;R;CC;201001;11;4;4a", "removed;removed;L;MLO;201001;12;     ;2"]
    rows += ["removed;removed;L;MLO;201001;13;1;6", "removed;removed;R;FB;201001;14;1;1"]
    (root / "INbreast.csv").write_text("\n".join([HEADER, *rows]) + "\n")
    return root


@pytest.fixture(scope="session")
def make_region() -> Callable[..., dict[str, Any]]:
    return region


@pytest.fixture(scope="session")
def make_outlines() -> Callable[..., Path]:
    return write_outlines


@pytest.fixture(scope="session")
def make_image() -> Callable[..., Path]:
    return write_image
