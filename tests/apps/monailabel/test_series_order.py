# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from monai_acdr.apps.monailabel.images import convert_series, series_files


@pytest.fixture()
def simple_itk(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A stand-in; the real one is in the Label environment and in tests/integration/label."""
    state: dict[str, Any] = {"series": ["1.2"], "read": [], "error": None}

    class Reader:
        GetGDCMSeriesIDs = staticmethod(lambda _folder: tuple(state["series"]))
        GetGDCMSeriesFileNames = staticmethod(lambda folder, uid: (f"{folder}/b.dcm", f"{folder}/a.dcm"))

    def read(files: Any) -> str:
        if state["error"]:
            raise RuntimeError(state["error"])
        state["read"].append(files)
        return "image"

    def write(image: str, path: str) -> None:
        Path(path).write_text(image)

    module = SimpleNamespace(ImageSeriesReader=Reader, ReadImage=read, WriteImage=write)
    monkeypatch.setitem(sys.modules, "SimpleITK", module)
    return state


def test_order(simple_itk: dict[str, Any]) -> None:
    assert series_files(Path("/x")) == [Path("/x/b.dcm"), Path("/x/a.dcm")]


def test_conversion(simple_itk: dict[str, Any], tmp_path: Path) -> None:
    target = convert_series(Path("/x"), tmp_path / "a.nii.gz")
    assert target.read_text() == "image" and simple_itk["read"] == [["/x/b.dcm", "/x/a.dcm"]]


def test_errors(simple_itk: dict[str, Any], tmp_path: Path) -> None:
    simple_itk["error"] = "Exception thrown\nsitk::ERROR: bad file"
    with pytest.raises(ValueError, match="that can be read, but /x cannot: sitk::ERROR: bad file"):
        convert_series(Path("/x"), tmp_path / "a.nii.gz")
    for series in ([], ["1", "2"]):
        simple_itk["series"] = series
        with pytest.raises(ValueError, match=f"Expected one DICOM series in a folder, but got {len(series)}"):
            series_files(Path("/x"))
