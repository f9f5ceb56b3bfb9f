# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pydicom
import pytest
import shapely
from pydicom.dataset import Dataset

from monai_acdr.dicom import (
    BREAST_MASS,
    LV_ENDOCARDIUM,
    Region,
    rasterize_region,
    read_rtstruct,
    read_sources,
    rtstruct,
    write_rtstruct,
)
from monai_acdr.dicom.rtstruct import read_structure_set
from monai_acdr.dicom.source import SourceFrame
from tests.dicom.conftest import raw


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
    assert region.structure.label == "Region" and [len(entry) for entry in region.contours] == [1, 0]
    assert np.abs(region.contours[0][0] - made.SHAPE).max() < 1e-6
    assert "ROI #1: 1 contour(s) that are not closed and planar." in caplog.text


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
        (lambda d: setattr(contour(d), "ContourData", [1, 2, 3]), "Expected 6 points, as NumberOfContourPoints says"),
        (lambda d: setattr(contour(d), "ContourData", ["1"] * 10), "but .*rt.dcm has 10 values"),
        (lambda d: setattr(contour(d), "ContourData", [*["1"] * 8, "nan"]), "values that are not coordinates"),
        (lambda d: setattr(contour(d), "ContourData", [*["1"] * 8, "inf"]), "values that are not coordinates"),
        (lambda d: contour(d).update(raw("30060050DS", b"1\\2\\x\\4\\5\\6\\7\\8\\9 ")), "has other values"),
        (lambda d: contour(d).update(raw("30060050DS", b"1\\2\\3 4\\5\\6\\7\\8\\9 ")), "has other values"),
        (lambda d: contour(d).update(raw("30060050DS", b"1\\2\\3\\4\\5\\6\\7\\8\\")), "has other values"),
        (lambda d: contour(d).update(raw("30060046IS", b"x ")), "Expected NumberOfContourPoints to be a whole number"),
        (lambda d: setattr(contour(d), "NumberOfContourPoints", 7), "Expected 7 points, .* has a contour of 6"),
        (
            lambda d: contour(d).update(raw("30060042SH", b"POINT ")),
            r"has none: ROI #1: 1 contour\(s\) that are not cl",
        ),
        (lambda d: d.update(raw("30060039LO", b"DOE^JANE")), "Expected ROIContourSequence to be a sequence"),
        (lambda d: d.update(raw("30060020US", b"\1\0")), "Expected StructureSetROISequence to be a sequence"),
        (lambda d: d.ROIContourSequence[0].pop("ReferencedROINumber"), "ReferencedROINumber .* it is missing from"),
        (lambda d: d.StructureSetROISequence[0].pop("ROINumber"), "ROINumber to be a whole number, but it is missing"),
        (lambda d: d.StructureSetROISequence.append(d.StructureSetROISequence[0]), "has two ROIs #1"),
        (lambda d: setattr(contour(d), "ContourData", ["1e30"] * 9), "values that are not coordinates"),
        (lambda d: setattr(d, "SOPClassUID", "1.2.3"), "Expected an RT structure set"),
        (lambda d: setattr(d, "StructureSetROISequence", []), "at least one ROI"),
        (lambda d: setattr(d.ROIContourSequence[0], "ReferencedROINumber", 5), "some of an ROI #5"),
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


SQUARE = np.array([[2.0, 2.0], [8.0, 2.0], [8.0, 8.0], [2.0, 8.0]])
HOLE, ISLAND = (SQUARE - 5) / 2 + 5, (SQUARE - 5) / 6 + 5
"""36, 9 and 1 pixels, one within the other."""


def drawn(made: SimpleNamespace, path: Path, source: SourceFrame, rois: dict[int, Any]) -> Path:
    """A structure set on one image: number -> label, and (kind, pixels) of contours, written with pydicom alone."""
    meta = write_rtstruct(path, [made.SHAPE], [source], overwrite=True)
    dataset = pydicom.dcmread(meta)
    template = contour(dataset)
    dataset.StructureSetROISequence, dataset.ROIContourSequence = [], []
    for number, (label, contours) in rois.items():
        roi, item = Dataset(), Dataset()
        roi.ROINumber, roi.ROIName, item.ReferencedROINumber = number, label, number
        item.ContourSequence = []
        for kind, vertices in contours:
            one = copy.deepcopy(template)
            one.ContourGeometricType, one.NumberOfContourPoints = kind, len(vertices)
            one.ContourData = [f"{v:.6f}"[:16] for v in source.to_world(vertices.copy()).ravel()]
            item.ContourSequence.append(one)
        dataset.StructureSetROISequence.append(roi)
        dataset.ROIContourSequence.append(item)
    return made.write(dataset, path)


def keyhole(outer: np.ndarray, hole: np.ndarray) -> np.ndarray:
    return np.concatenate([outer, outer[:1], hole, hole[:1]])


CLOSED, XOR = "CLOSED_PLANAR", "CLOSEDPLANAR_XOR"


@pytest.mark.parametrize(
    ("contours", "area", "holes"),
    [
        ([(CLOSED, SQUARE), (CLOSED, HOLE)], 27, (False, True)),
        ([(CLOSED, HOLE), (CLOSED, SQUARE[::-1])], 27, (False, True)),
        ([(XOR, SQUARE), (XOR, HOLE)], 27, (False, True)),
        ([(XOR, ISLAND), (XOR, SQUARE), (XOR, HOLE)], 28, (False, True, False)),
        ([(CLOSED, ISLAND), (CLOSED, HOLE), (CLOSED, SQUARE)], 28, (False, True, False)),
        ([(CLOSED, keyhole(SQUARE, HOLE))], 27, (False, True)),
        ([(CLOSED, keyhole(SQUARE, HOLE[::-1]))], 27, (False, True)),
        ([(CLOSED, SQUARE), (CLOSED, SQUARE[::-1])], 36, ()),  # a copy
        ([(CLOSED, SQUARE), (CLOSED, HOLE + [3, 0])], 40.5, ()),  # they overlap by half
        ([(XOR, ISLAND), (XOR, ISLAND + 2)], 2, ()),
        ([(CLOSED, np.concatenate([SQUARE, SQUARE[:1]]))], 36, ()),  # closed by a repeated point
    ],
)
def test_holes(
    made: SimpleNamespace,
    tmp_path: Path,
    sources: list[SourceFrame],
    contours: list[tuple[str, np.ndarray]],
    area: float,
    holes: tuple[bool, ...],
) -> None:
    """Areas by arithmetic."""
    path = drawn(made, tmp_path / "rt.dcm", sources[0], {1: ("LV", contours)})
    (region,) = read_rtstruct(path, sources[:1])
    assert region.has_holes == bool(holes) and region.number == 1
    assert region.holes == ((holes,) if holes else ())
    (mask,) = rasterize_region(region, sources[:1]).masks
    assert mask is not None and mask.sum() == pytest.approx(area, abs=1e-3)
    # written as keyholes, read as rings again, and drawn by a program that knows only one polygon per contour
    again = write_rtstruct(tmp_path / "again.dcm", [region], sources[:1])
    (back,) = read_rtstruct(again, sources[:1])
    assert back.holes == region.holes
    np.testing.assert_allclose(rasterize_region(back, sources[:1]).masks[0], mask, atol=1e-5)
    polygons = [
        sources[0].to_pixel(np.array(item.ContourData, dtype=float).reshape(-1, 3))
        for item in pydicom.dcmread(again).ROIContourSequence[0].ContourSequence
    ]
    assert {item.ContourGeometricType for item in pydicom.dcmread(again).ROIContourSequence[0].ContourSequence} == {
        CLOSED
    }
    union = shapely.union_all([shapely.Polygon(one).buffer(0) for one in polygons])
    assert union.area == pytest.approx(shapely.union_all([union]).area) == pytest.approx(area, abs=1e-3)


def test_exclusive_contours_that_cross(made: SimpleNamespace, tmp_path: Path, sources: list[SourceFrame]) -> None:
    path = drawn(made, tmp_path / "rt.dcm", sources[0], {1: ("LV", [(XOR, SQUARE), (XOR, SQUARE + [3, 0])])})
    with pytest.raises(ValueError, match=r"within or beside each other, but two cross.*rt.dcm. \(ROI #1\)"):
        read_rtstruct(path, sources[:1])
    path = drawn(made, tmp_path / "rt.dcm", sources[0], {1: ("LV", [(XOR, SQUARE), (CLOSED, HOLE)])})
    with pytest.raises(ValueError, match="all CLOSEDPLANAR_XOR or all CLOSED_PLANAR, but .*rt.dcm mixes them"):
        read_rtstruct(path, sources[:1])


def test_faults_of_other_rois(made: SimpleNamespace, tmp_path: Path, sources: list[SourceFrame]) -> None:
    good, line = (CLOSED, SQUARE), (CLOSED, SQUARE[:2])
    far = (CLOSED, SQUARE + 1e7)
    rois = {1: ("LV", [good, line]), 2: ("couch", [line]), 3: ("wire", [("POINT", SQUARE[:1])]), 4: ("mark", [far])}
    path = drawn(made, tmp_path / "rt.dcm", sources[0], rois)
    found = read_structure_set(path, sources[:1])
    assert [(r.number, len(r.contours[0])) for r in found.regions] == [(1, 1), (2, 0), (3, 0)]
    assert [note.partition(":")[0] for note in found.left_out[:3]] == ["ROI #1", "ROI #2", "ROI #3"]
    assert "not coordinates. (ROI #4)" in found.left_out[3]
    (region,) = read_rtstruct(path, sources[:1], "lv")
    np.testing.assert_allclose(region.contours[0][0], SQUARE, atol=1e-5)
    for name, message in (
        ("couch", r"has none: ROI #2: 1 contour\(s\) of less than three points"),
        ("#3", r"has none: ROI #3: 1 contour\(s\) that are not closed"),
        ("#4", r"values that are not coordinates. \(ROI #4\)"),
        ("#5", r"--structure '#5', but none is called so: choose one of #1 'LV', #2 'couch', #3 'wire', #4 'mark' by"),
    ):
        with pytest.raises(ValueError, match=message):
            read_rtstruct(path, sources[:1], name)


def test_codes_of_other_rois(made: SimpleNamespace, tmp_path: Path, sources: list[SourceFrame]) -> None:
    rois = {1: ("LV", [(CLOSED, SQUARE)]), 2: ("RV", [(CLOSED, SQUARE)])}
    path = drawn(made, tmp_path / "rt.dcm", sources[0], rois)
    dataset = pydicom.dcmread(path)
    observation = Dataset()
    observation.ReferencedROINumber = 2
    observation.update(raw("30060086LO", b"x "))
    dataset.RTROIObservationsSequence = [observation]
    made.write(dataset, path)
    assert [region.number for region in read_rtstruct(path, sources[:1])] == [1]
    assert "RTROIIdentificationCodeSequence to be a seq" in read_structure_set(path, sources[:1]).left_out[0]


def test_equal_names(made: SimpleNamespace, tmp_path: Path, sources: list[SourceFrame]) -> None:
    rois = {7: ("LV", [(CLOSED, SQUARE)]), 9: ("lv", [(CLOSED, HOLE)])}
    path = drawn(made, tmp_path / "rt.dcm", sources[0], rois)
    with pytest.raises(ValueError, match="but 2 are called so: choose one of #7 'LV', #9 'lv' by its label, or by its"):
        read_rtstruct(path, sources[:1], "LV")
    (region,) = read_rtstruct(path, sources[:1], " #9")
    np.testing.assert_allclose(region.contours[0][0], HOLE, atol=1e-5)


def test_names_of_patients_are_not_repeated(made: SimpleNamespace, tmp_path: Path, sources: list[SourceFrame]) -> None:
    path = drawn(made, tmp_path / "rt.dcm", sources[0], {3: ("heart_JANE", [(CLOSED, SQUARE)]), 4: ("a\x1bb", [])})
    assert [region.structure.label for region in read_rtstruct(path, sources[:1])] == ["ROI 3", "a b"]
    with pytest.raises(ValueError, match="#3 'ROI 3'") as caught:
        read_rtstruct(path, sources[:1], "x")
    assert "JANE" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "label", "read"),
    [
        ("Yamada^Tarou=山田^太郎", "山田太郎の心臓", "ROI 1"),  # without spaces between words
        ("Yamada^Tarou=山田^太郎", "心臓 田", "心臓 田"),
        ("Wang^Li=王^丽", "王", "ROI 1"),
        ("Wang^Li=王^丽", "国王", "国王"),
        ("Hong^Gildong==홍^길동", "홍길동 심장", "ROI 1"),
        ("Al^Bo", "Al Bo", "Al Bo"),
    ],
)
def test_names_of_other_scripts_are_not_repeated(
    made: SimpleNamespace, tmp_path: Path, name: str, label: str, read: str
) -> None:
    images = read_sources([made.image(tmp_path / "image.dcm", PatientName=name)])
    path = write_rtstruct(tmp_path / "rt.dcm", [made.SHAPE], images, replace(LV_ENDOCARDIUM, label=label))
    assert read_rtstruct(path, images)[0].structure.label == read


def test_several_references(made: SimpleNamespace, tmp_path: Path, sources: list[SourceFrame]) -> None:
    """Of two phases in one place none is meant; of two slices that in whose plane the contour lies."""
    path = write_rtstruct(tmp_path / "rt.dcm", [made.SHAPE, None, None, None], sources)
    dataset = pydicom.dcmread(path)
    references = contour(dataset).ContourImageSequence
    for other, message in ((1, "names 2 and lies in the planes of 2"), (2, None)):
        second = copy.deepcopy(references[0])
        second.ReferencedSOPInstanceUID = sources[other].key[0]
        contour(dataset).ContourImageSequence = [second, references[0]]
        made.write(dataset, path)
        if message:
            with pytest.raises(ValueError, match=message):
                read_rtstruct(path, sources)
        else:
            assert [len(entry) for entry in read_rtstruct(path, sources)[0].contours] == [1, 0, 0, 0]


def test_multi_frame_images_need_a_frame_number(made: SimpleNamespace, tmp_path: Path) -> None:
    images = read_sources([made.enhanced(tmp_path / "e.dcm", [[0, 0, 0], [10, 0, 0]])])
    path = write_rtstruct(tmp_path / "rt.dcm", [None, made.SHAPE], images)
    dataset = pydicom.dcmread(path)
    del contour(dataset).ContourImageSequence[0].ReferencedFrameNumber
    made.write(dataset, path)
    assert [len(entry) for entry in read_rtstruct(path, images)[0].contours] == [0, 1]  # by its plane, not the first


def test_number_of_points(
    change: Callable[..., Path], sources: list[SourceFrame], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = change(lambda dataset: None)
    monkeypatch.setattr(rtstruct, "MAX_POINTS", 5)
    with pytest.raises(ValueError, match=r"points \(x, y, z\) in mm, at most 5, but"):
        read_rtstruct(path, sources)
