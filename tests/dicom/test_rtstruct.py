# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pydicom
import pytest
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from monai_acdr.dicom import LV_EPICARDIUM, Algorithm, Region, read_rtstruct, read_sources, write_rtstruct
from monai_acdr.dicom.rtstruct import decimal_string


def test_every_orientation_against_the_header(made: SimpleNamespace, tmp_path: Path) -> None:
    """48 right angles and some oblique planes; read with pydicom, placed by hand."""
    orientations = [*made.right_angles(), *map(made.oblique, range(4))]
    for number, (orientation, stack) in enumerate(itertools.product(orientations, (1.0, -1.0))):
        folder = tmp_path / str(number)
        folder.mkdir()
        sources = read_sources(made.series(folder, orientation, stack))
        contours = [made.SHAPE + index * 0.125 for index in range(2)]
        path = write_rtstruct(folder / "rt.dcm", contours, sources)
        files = {str(source.header.SOPInstanceUID): source.path for source in sources}
        items = pydicom.dcmread(path).ROIContourSequence[0].ContourSequence
        assert len(items) == 2
        for item, source, vertices in zip(items, sources, contours, strict=True):
            image = item.ContourImageSequence[0].ReferencedSOPInstanceUID
            assert files[image] == source.path
            points = np.array([float(value) for value in item.ContourData]).reshape(-1, 3)
            assert np.abs(points - made.by_hand(vertices, files[image])).max() < 1e-6
        back = read_rtstruct(path, sources)[0]
        for entry, vertices in zip(back.contours, contours, strict=True):
            assert np.abs(entry[0] - vertices).max() < 1e-6


def test_attributes(made: SimpleNamespace, tmp_path: Path) -> None:
    sources = read_sources(made.series(tmp_path, made.oblique(3), slices=2, phases=2))
    regions = [Region(LV_EPICARDIUM, ((made.SHAPE,), (), (), (made.SHAPE,)))]
    algorithm = Algorithm("bundle", "1.2")
    path = write_rtstruct(tmp_path / "rt.dcm", regions, sources, algorithm=algorithm, label="LV", series_number=77)
    dataset = pydicom.dcmread(path)
    assert dataset.Modality == "RTSTRUCT" and dataset.SOPClassUID.name == "RT Structure Set Storage"
    assert dataset.PatientName == made.SECRET and dataset.StudyInstanceUID == made.uid("study")
    assert dataset.SeriesInstanceUID != made.uid("series") and dataset.SeriesNumber == 77
    assert dataset.ApprovalStatus == "UNAPPROVED" and dataset.StructureSetLabel == "LV"
    (frame,) = dataset.ReferencedFrameOfReferenceSequence
    assert frame.FrameOfReferenceUID == made.uid("frame of reference")
    (study,) = frame.RTReferencedStudySequence
    (series,) = study.RTReferencedSeriesSequence
    assert study.ReferencedSOPInstanceUID == made.uid("study") and len(series.ContourImageSequence) == 4
    (roi,) = dataset.StructureSetROISequence
    assert (roi.ROINumber, roi.ROIName, roi.ROIGenerationDescription) == (1, "LV epicardium", "bundle 1.2")
    assert roi.ReferencedFrameOfReferenceUID == made.uid("frame of reference")
    (observation,) = dataset.RTROIObservationsSequence
    assert observation.RTROIInterpretedType == "ORGAN" and observation.ReferencedROINumber == 1
    contours = dataset.ROIContourSequence[0].ContourSequence
    assert [item.ContourGeometricType for item in contours] == ["CLOSED_PLANAR"] * 2
    assert [item.NumberOfContourPoints for item in contours] == [len(made.SHAPE)] * 2
    assert all(len(str(value)) <= 16 for item in contours for value in item.ContourData)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-1e-12, "0"),
        (-0.123456789123, "-0.123456789"),
        (-12345.123456789, "-12345.123456789"),
        (-123456.123456789, "-123456.12345679"),
        (20.0, "20"),
        (1 / 3, "0.333333333"),
    ],
)
def test_decimal_string(value: float, text: str) -> None:
    assert decimal_string(value) == text and len(text) <= 16


def test_decimal_strings_end() -> None:
    with pytest.raises(ValueError, match="too large for a decimal string"):
        decimal_string(1e14)


def test_mammograms_are_refused(made: SimpleNamespace, tmp_path: Path) -> None:
    sources = read_sources([made.mammogram(tmp_path / "m.dcm")])
    with pytest.raises(ValueError, match="cannot refer to it, write SEG and SR"):
        write_rtstruct(tmp_path / "rt.dcm", [made.SHAPE], sources)
    assert not (tmp_path / "rt.dcm").exists()


def test_refused(made: SimpleNamespace, tmp_path: Path) -> None:
    one = made.image(tmp_path / "a.dcm", "a")
    other = made.image(tmp_path / "b.dcm", "b", SeriesInstanceUID="1.2.3", FrameOfReferenceUID="1.2.4")
    sources = read_sources([one, other])
    with pytest.raises(ValueError, match="one frame of reference, but got 2"):
        write_rtstruct(tmp_path / "rt.dcm", [made.SHAPE, None], sources)
    for label in ("x" * 17, " ", "a\\b", "a\tb"):
        with pytest.raises(ValueError, match="1 to 16 characters, none of them a backslash"):
            write_rtstruct(tmp_path / "rt.dcm", [made.SHAPE], sources[:1], label=label)
    with pytest.raises(FileExistsError, match="overwrite"):
        write_rtstruct(one, [made.SHAPE], sources[:1])


@pytest.mark.parametrize(("points", "syntax"), [(1000, ExplicitVRLittleEndian), (3000, ImplicitVRLittleEndian)])
def test_long_contours(made: SimpleNamespace, tmp_path: Path, points: int, syntax: UID) -> None:
    """Beyond 64 kB pydicom writes UN in explicit VR, where others find no contour."""
    sources = read_sources(made.series(tmp_path, made.oblique(3), slices=1))
    angle = np.linspace(0, 2 * np.pi, points, endpoint=False)
    vertices = np.stack([6 + 3.3 * np.cos(angle), 4 + 2.7 * np.sin(angle)], axis=1)
    dataset = pydicom.dcmread(write_rtstruct(tmp_path / "rt.dcm", [vertices], sources))
    assert dataset.file_meta.TransferSyntaxUID == syntax
    (item,) = dataset.ROIContourSequence[0].ContourSequence
    assert item["ContourData"].VR == "DS" and item.NumberOfContourPoints == points
    (back,) = read_rtstruct(tmp_path / "rt.dcm", sources)[0].contours[0]
    assert np.abs(back - vertices).max() < 1e-6


def test_multi_frame(made: SimpleNamespace, tmp_path: Path) -> None:
    sources = read_sources([made.enhanced(tmp_path / "e.dcm", [[0, 0, 5], [3, 0, 5]])])
    path = write_rtstruct(tmp_path / "rt.dcm", [made.SHAPE, made.SHAPE + 0.5], sources)
    items = pydicom.dcmread(path).ROIContourSequence[0].ContourSequence
    assert [item.ContourImageSequence[0].ReferencedFrameNumber for item in items] == [2, 1]
    back = read_rtstruct(path, sources)[0]
    assert np.abs(back.contours[1][0] - made.SHAPE - 0.5).max() < 1e-6


def test_passes_dciodvfy(made: SimpleNamespace, tmp_path: Path, verify: Callable[[Path], list[str]]) -> None:
    sources = read_sources(made.series(tmp_path, made.oblique(3), phases=2))
    assert verify(write_rtstruct(tmp_path / "rt.dcm", [made.SHAPE, None, None, made.SHAPE], sources)) == []
