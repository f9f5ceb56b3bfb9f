# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""`dciodvfy -new` on results of a real patient and of a twin of INbreast."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

from monai_acdr.data import inbreast_data_list, read_contour
from monai_acdr.data.phantoms import write_inbreast_cases
from monai_acdr.dicom import BREAST_MASS, SourceFrame, read_sources, write_rtstruct, write_seg, write_sr

# StudyDate 20120000 and an empty StudyID are the anonymizer's; its names have no component of a given name.
KNOWN_WARNINGS = {
    "</StudyDate(0008,0020)> - Missing attribute or value that would be needed to build DICOMDIR",
    "</StudyID(0020,0010)> - Missing attribute or value that would be needed to build DICOMDIR",
    "</PatientName(0010,0010)[1]> - Value dubious for this VR [PN] = <PATIENT> - Retired Person Name form",
}
LEADING_ZERO = re.compile(
    r"Value invalid for this VR \[UI\] = <([\d.]+)> - Leading zeroes in embedded numeric component"
)


def write_all(folder: Path, contours: Sequence[Any], sources: list[SourceFrame], **options: Any) -> list[Path]:
    results = [
        write_seg(folder / "binary", contours, sources, "BINARY", **options),
        write_seg(folder / "fractional", contours, sources, "FRACTIONAL", **options),
        write_sr(folder / "sr", contours, sources, **options),
    ]
    if sources[0].has_place:
        results.append(write_sr(folder / "sr3d", contours, sources, coordinates="patient", **options))
        results.append(write_rtstruct(folder / "rtstruct", contours, sources, **options))
    return results


def uids(path: Path) -> set[str]:
    """All UIDs in the header of a file."""
    return {str(e.value) for e in pydicom.dcmread(path, stop_before_pixels=True).iterall() if e.VR == "UI"}


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
def test_real_patient(shared_data: Path, tmp_path: Path, verify: Callable[[Path], list[str]]) -> None:
    """The source's own UIDs have parts with leading zeros; they stay, or nothing would refer to it. No other error."""
    root = shared_data / "sunnybrook_dicom"
    outlines = {int(path.name.split("-")[2]): path for path in (root / "contourfiles" / "SC-HF-I-1").glob("i-*/*.txt")}
    files = [root / "dicoms" / "SCD0000101" / f"{number}.dcm" for number in sorted(outlines)]
    sources = read_sources(files)
    assert len(sources) == 18
    contours = [read_contour(outlines[int(source.path.stem)]) for source in sources]
    known = {uid for path in files for uid in uids(path) if re.search(r"\.0\d", uid)}
    for path in write_all(tmp_path, contours, sources):
        lines = [line.split(" - ", 1) for line in verify(path)]
        errors = [LEADING_ZERO.search(text) for kind, text in lines if kind == "Error"]
        assert errors and all(error is not None and error[1] in known for error in errors), path
        warnings = {re.sub(r"<SCD\d+>", "<PATIENT>", text) for kind, text in lines if kind == "Warning"}
        assert warnings == KNOWN_WARNINGS, path
        own = {str(element.value) for element in pydicom.dcmread(path).iterall() if element.VR == "UI"} - known
        assert not [uid for uid in own if re.search(r"\.0\d", uid)]


def test_mammogram(tmp_path: Path, verify: Callable[[Path], list[str]]) -> None:
    items = inbreast_data_list(write_inbreast_cases(tmp_path / "twin", num_patients=2), "training")
    image = items[0]["image"]
    contours = [np.asarray(item["contour"]) for item in items if item["image"] == image]
    results = write_all(tmp_path, [contours], read_sources([image]), structure=BREAST_MASS)
    assert len(results) == 3 and [verify(path) for path in results] == [[], [], []]
