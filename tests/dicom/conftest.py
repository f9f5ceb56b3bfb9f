# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import itertools
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.tag import Tag
from pydicom.uid import UID, ExplicitVRLittleEndian, MRImageStorage, generate_uid

SECRET = "Doe^Jane"
"""Name of the patient of these tests, to be found in no message, log or file name."""
SIZE = (9, 13)
SPACING = (0.7, 1.9)
ENHANCED_MR = UID("1.2.840.10008.5.1.4.1.1.4.1")

SHAPE = np.array([[2.25, 1.5], [9.75, 2.0], [9.5, 4.25], [4.5, 4.0], [4.0, 7.75], [2.0, 7.5]])
"""An L: no flip, rotation or transposition maps it to itself. (x, y) in pixels, within 13 columns and 9 rows."""


def uid(*parts: object) -> str:
    return generate_uid(entropy_srcs=["test", *map(str, parts)])


def right_angles() -> list[list[float]]:
    """The 24 orientations of a plane along the axes: every choice of two axes with every sign."""
    axes = np.eye(3)
    return [
        [*(s * axes[i]), *(t * axes[j])]
        for i, j in itertools.permutations(range(3), 2)
        for s in (1, -1)
        for t in (1, -1)
    ]


def oblique(seed: int) -> list[float]:
    matrix, _ = np.linalg.qr(np.random.default_rng(seed).standard_normal((3, 3)))
    return [round(float(v), 9) for v in matrix[:, :2].T.ravel()]


def write(dataset: FileDataset, path: Path) -> Path:
    if int(pydicom.__version__.split(".")[0]) < 3:
        dataset.save_as(str(path), write_like_original=False)
    else:
        dataset.save_as(str(path), enforce_file_format=True)
    return path


def image(path: Path, name: str = "1", sop_class: UID = MRImageStorage, **changes: Any) -> Path:
    """One image, and what differs from the usual; None takes an element away."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID = ExplicitVRLittleEndian, sop_class
    meta.MediaStorageSOPInstanceUID = changes.get("SOPInstanceUID") or uid("instance", name)
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128, is_implicit_VR=False, is_little_endian=True)
    values: dict[str, Any] = {
        "SpecificCharacterSet": "ISO_IR 192",
        "SOPClassUID": sop_class,
        "SOPInstanceUID": meta.MediaStorageSOPInstanceUID,
        "StudyInstanceUID": uid("study"),
        "SeriesInstanceUID": uid("series"),
        "FrameOfReferenceUID": uid("frame of reference"),
        "PositionReferenceIndicator": "",
        "PatientName": SECRET,
        "PatientID": "P1",
        "PatientBirthDate": "19700131",
        "PatientSex": "F",
        "StudyDate": "20200102",
        "StudyTime": "101112",
        "StudyID": "7",
        "AccessionNumber": "A1",
        "ReferringPhysicianName": "",
        "Modality": "MR",
        "SeriesNumber": 3,
        "InstanceNumber": 1,
        "Manufacturer": "",
        "ImageType": ["ORIGINAL", "PRIMARY", "OTHER"],
        "PixelSpacing": list(SPACING),
        "SliceThickness": 8,
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        "ImagePositionPatient": [-10.5, 20.25, 3],
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": SIZE[0],
        "Columns": SIZE[1],
        "BitsAllocated": 16,
        "BitsStored": 16,
        "HighBit": 15,
        "PixelRepresentation": 0,
    }
    values.update(changes)
    for keyword, value in values.items():
        if value is not None:
            setattr(dataset, keyword, value)
    if "PixelData" not in changes:
        pixels = int(dataset.Rows) * int(dataset.Columns) * int(dataset.get("NumberOfFrames", 1))
        dataset.PixelData = b"\0" * (2 * pixels)
    return write(dataset, path)


def series(folder: Path, orientation: list[float], stack: float = 1.0, slices: int = 2, phases: int = 1) -> list[Path]:
    """Files of a stack along the normal, `phases` for each position."""
    normal = np.cross(orientation[:3], orientation[3:]) * stack
    paths = []
    for index in range(slices):
        place = [round(float(v), 6) for v in np.array([-10.5, 20.25, 3]) + 10 * index * normal]
        for phase in range(phases):
            name = f"{index}-{phase}"
            changes = {"InstanceNumber": index * phases + phase + 1, "TriggerTime": 40 * phase}
            position = {"ImagePositionPatient": place, "ImageOrientationPatient": orientation}
            paths.append(image(folder / f"{name}.dcm", name, **changes, **position))
    return paths


def enhanced(path: Path, positions: list[list[float]]) -> Path:
    """A multi-frame MR image with functional groups, as far as these tests need it."""
    shared = {
        "PixelMeasuresSequence": {"PixelSpacing": list(SPACING), "SliceThickness": 8},
        "PlaneOrientationSequence": {"ImageOrientationPatient": [0, 1, 0, 0, 0, -1]},
    }
    return grouped(path, shared, [{"PlanePositionSequence": {"ImagePositionPatient": place}} for place in positions])


def grouped(path: Path, shared: dict[str, Any], frames: list[dict[str, Any]], **changes: Any) -> Path:
    """A multi-frame MR image: what its functional groups hold, by the keyword of the group's sequence."""

    def groups(contents: dict[str, Any]) -> Dataset:
        outer = Dataset()
        for keyword, values in contents.items():
            inner = Dataset()
            for key, value in values.items():
                setattr(inner, key, value)
            setattr(outer, keyword, DicomSequence([inner]))
        return outer

    absent = dict.fromkeys(("PixelSpacing", "ImageOrientationPatient", "ImagePositionPatient", "SliceThickness"))
    sequences = {
        "SharedFunctionalGroupsSequence": DicomSequence([groups(shared)]),
        "PerFrameFunctionalGroupsSequence": DicomSequence([groups(frame) for frame in frames]),
    }
    return image(path, "enhanced", ENHANCED_MR, NumberOfFrames=len(frames), **{**absent, **sequences, **changes})


def mammogram(path: Path, name: str = "1") -> Path:
    absent = dict.fromkeys(
        ("PixelSpacing", "ImageOrientationPatient", "ImagePositionPatient", "SliceThickness", "FrameOfReferenceUID")
    )
    changes = {"Modality": "MG", "ImagerPixelSpacing": [0.2, 0.2], "PatientOrientation": ["A", "R"], **absent}
    return image(path, name, UID("1.2.840.10008.5.1.4.1.1.1.2"), PositionReferenceIndicator=None, **changes)


def by_hand(vertices: np.ndarray, path: Path) -> np.ndarray:
    """(K, 3) mm from the header alone, PS3.3 equation C.7.6.2.1-1; the center of the first pixel is (0.5, 0.5)."""
    header = pydicom.dcmread(path, stop_before_pixels=True)
    row, column = np.array(header.ImageOrientationPatient[:3]), np.array(header.ImageOrientationPatient[3:])
    down, across = (float(v) for v in header.PixelSpacing)
    origin = np.array([float(v) for v in header.ImagePositionPatient])
    return np.array([origin + row * across * (x - 0.5) + column * down * (y - 0.5) for x, y in vertices])


def raw(tag: str, value: bytes) -> Dataset:
    """An element with that tag and value representation and these bytes, whatever the standard says."""
    dataset = Dataset()
    element = RawDataElement(Tag(int(tag[:8], 16)), tag[8:], len(value), value, 0, False, True)
    dataset._dict[element.tag] = element  # type: ignore[assignment]
    return dataset


@pytest.fixture()
def verify(absent: Callable[[str], None]) -> Callable[[Path], list[str]]:
    """Run `dciodvfy -new`: the lines of errors and warnings."""
    if shutil.which("dciodvfy") is None:
        absent("dciodvfy is not installed: apt-get install dicom3tools")

    def run(path: Path) -> list[str]:
        done = subprocess.run(["dciodvfy", "-new", str(path)], capture_output=True, text=True, timeout=120)
        return [line for line in (done.stdout + done.stderr).splitlines() if line.startswith(("Error", "Warning"))]

    return run


@pytest.fixture(scope="session")
def made() -> SimpleNamespace:
    """The functions and constants above."""
    names = ("SECRET", "SIZE", "SPACING", "SHAPE", "by_hand", "enhanced", "grouped", "image", "mammogram")
    return SimpleNamespace(
        **{name: globals()[name] for name in (*names, "oblique", "right_angles", "series", "uid", "write")}
    )
