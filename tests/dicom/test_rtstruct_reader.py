# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from monai_acdr.dicom import (
    BREAST_MASS,
    LV_ENDOCARDIUM,
    Region,
    read_rtstruct,
    read_sources,
    rtstruct_reader,
    write_rtstruct,
)
from monai_acdr.dicom.source import SourceFrame


@pytest.fixture()
def sources(made: SimpleNamespace, tmp_path: Path) -> list[SourceFrame]:
    return read_sources(made.series(tmp_path, made.oblique(5), slices=2, phases=2))


@pytest.fixture()
def change(
    made: SimpleNamespace, tmp_path: Path, sources: list[SourceFrame]
) -> Callable[[Callable[[Dataset], None]], Path]:
    """A structure set on the first image, changed by a function."""

    def run(function: Callable[[Dataset], None]) -> Path:
        path = write_rtstruct(tmp_path / "rt.dcm", [made.SHAPE, None, None, None], sources, overwrite=True)
        dataset = pydicom.dcmread(path)
        function(dataset)
        return made.write(dataset, path)

    return run


def contour(dataset: Dataset) -> Dataset:
    return dataset.ROIContourSequence[0].ContourSequence[0]


def test_regions_and_structures(made: SimpleNamespace, tmp_path: Path, sources: list[SourceFrame]) -> None:
    regions = [
        Region(LV_ENDOCARDIUM, ((made.SHAPE,), (), (), (made.SHAPE + 1, made.SHAPE - 1))),
        Region(BREAST_MASS, ((), (made.SHAPE,), (), ())),
    ]
    back = read_rtstruct(write_rtstruct(tmp_path / "rt.dcm", regions, sources), sources)
    assert [region.structure.label for region in back] == ["LV endocardium", "Mass"]
    assert back[1].structure.property_type == BREAST_MASS.property_type
    assert [[len(entry) for entry in region.contours] for region in back] == [[1, 0, 0, 2], [0, 1, 0, 0]]
    assert np.abs(back[0].contours[3][1] - made.SHAPE + 1).max() < 1e-6


def test_other_programs_files(
    made: SimpleNamespace, tmp_path: Path, change: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    def bare(dataset: Dataset) -> None:
        del contour(dataset).ContourImageSequence
        del dataset.RTROIObservationsSequence
        point = Dataset()
        point.ContourGeometricType, point.NumberOfContourPoints, point.ContourData = "POINT", 1, [0, 0, 0]
        dataset.ROIContourSequence[0].ContourSequence.append(point)

    still = read_sources([tmp_path / "0-0.dcm", tmp_path / "1-0.dcm"])
    (region,) = read_rtstruct(change(bare), still)
    assert region.structure.label == "LV endocardium" and [len(entry) for entry in region.contours] == [1, 0]
    assert np.abs(region.contours[0][0] - made.SHAPE).max() < 1e-6
    assert "Left out 1 contours" in caplog.text


def test_phases_need_a_reference(change: Callable[..., Path], sources: list[SourceFrame]) -> None:
    path = change(lambda dataset: contour(dataset).pop("ContourImageSequence"))
    with pytest.raises(ValueError, match="names none and lies in the planes of 2"):
        read_rtstruct(path, sources)


def _shifted(dataset: Dataset) -> None:
    item = contour(dataset)
    normal = np.cross(*np.diff(np.array(item.ContourData, dtype=float).reshape(-1, 3)[:3], axis=0))
    normal /= np.linalg.norm(normal)
    item.ContourData = [round(v, 6) for v in (np.array(item.ContourData, dtype=float).reshape(-1, 3) + normal).ravel()]


def _elsewhere(dataset: Dataset) -> None:
    contour(dataset).ContourImageSequence[0].ReferencedSOPInstanceUID = "1.2.3"


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (_shifted, r"in the planes of their images, but one is 1\.00 mm off"),
        (_elsewhere, r"but instance 1\.2\.3, frame 1, is not there"),
        (lambda d: setattr(contour(d), "ContourData", [1, 2, 3]), "at least three finite points"),
        (lambda d: setattr(contour(d), "ContourData", ["1"] * 10), "but .*rt.dcm has 10 values"),
        (lambda d: setattr(contour(d), "ContourData", ["1e30"] * 9), "values that are no coordinates"),
        (lambda d: setattr(d, "SOPClassUID", "1.2.3"), "Expected an RT structure set"),
        (lambda d: setattr(d, "StructureSetROISequence", []), "at least one ROI"),
        (lambda d: setattr(d.ROIContourSequence[0], "ReferencedROINumber", 5), "some of an ROI 5"),
        (
            lambda d: setattr(d.StructureSetROISequence[0], "ReferencedFrameOfReferenceUID", "1.2.3"),
            "in the frame of reference of",
        ),
    ],
)
def test_hostile(
    change: Callable[..., Path], sources: list[SourceFrame], function: Callable[[Dataset], None], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        read_rtstruct(change(function), sources)


def test_number_of_points(
    change: Callable[..., Path], sources: list[SourceFrame], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = change(lambda dataset: None)
    monkeypatch.setattr(rtstruct_reader, "MAX_POINTS", 5)
    with pytest.raises(ValueError, match="at most 5 points"):
        read_rtstruct(path, sources)
