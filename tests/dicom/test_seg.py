# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, JPEGBaseline8Bit

from monai_acdr.dicom import (
    BREAST_MASS,
    LV_BLOOD_POOL,
    LV_ENDOCARDIUM,
    MaskRegion,
    as_regions,
    rasterize_region,
    read_seg,
    read_sources,
    write_seg,
)
from monai_acdr.dicom.seg import check_seg_sources, cielab, source_of_frame


def drawing(made: SimpleNamespace) -> np.ndarray:
    """An L of whole pixels."""
    mask = np.zeros(made.SIZE, dtype=np.float32)
    mask[1:8, 2:4] = mask[6:8, 2:9] = 1
    return mask


def centers(dataset: Dataset, number: int) -> np.ndarray:
    """Centers of the pixels of a frame in mm, from the segmentation's own functional groups."""
    shared, own = dataset.SharedFunctionalGroupsSequence[0], dataset.PerFrameFunctionalGroupsSequence[number]
    directions = np.array(shared.PlaneOrientationSequence[0].ImageOrientationPatient, dtype=float)
    origin = np.array(own.PlanePositionSequence[0].ImagePositionPatient, dtype=float)
    down, across = (float(v) for v in shared.PixelMeasuresSequence[0].PixelSpacing)
    rows, columns = np.nonzero(dataset.pixel_array.reshape(-1, dataset.Rows, dataset.Columns)[number])
    return origin + columns[:, None] * across * directions[:3] + rows[:, None] * down * directions[3:]


def test_every_orientation_against_the_header(made: SimpleNamespace, tmp_path: Path) -> None:
    """48 right angles and some oblique planes; read with pydicom, placed by hand."""
    mask = drawing(made)
    rows, columns = np.nonzero(mask)
    for number, (orientation, stack) in enumerate(
        itertools.product([*made.right_angles(), *map(made.oblique, range(2))], (1.0, -1.0))
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        sources = read_sources(made.series(folder, orientation, stack))
        regions = [MaskRegion(LV_ENDOCARDIUM, (mask, None))]
        dataset = pydicom.dcmread(write_seg(folder / "seg.dcm", regions, sources))
        assert np.array_equal(dataset.pixel_array.reshape(made.SIZE), mask)
        expected = made.by_hand(np.stack([columns + 0.5, rows + 0.5], axis=1), sources[0].path)
        assert np.abs(centers(dataset, 0) - expected).max() < 0.001
        assert np.array_equal(read_seg(folder / "seg.dcm", sources)[0].masks[0], mask)


@pytest.mark.parametrize("kind", ["BINARY", "FRACTIONAL"])
def test_cine_contours_come_back(made: SimpleNamespace, tmp_path: Path, kind: str) -> None:
    sources = read_sources(made.series(tmp_path, made.oblique(2), slices=2, phases=3))
    contours = [made.SHAPE + 0.3 * index if index != 1 else None for index in range(6)]
    path = write_seg(tmp_path / "seg.dcm", contours, sources, kind)
    expected = rasterize_region(as_regions(contours, sources, None)[0], sources).masks
    (region,) = read_seg(path, sources)
    assert region.structure.label == "Region" and region.masks[1] is None
    for mask, wanted in zip(region.masks, expected, strict=True):
        if wanted is not None:
            wanted = wanted >= 0.5 if kind == "BINARY" else wanted
            assert mask is not None and np.abs(mask - wanted).max() <= 0.5 / 255 + 1e-6


def test_attributes(made: SimpleNamespace, tmp_path: Path) -> None:
    sources = read_sources(made.series(tmp_path, made.oblique(2)))
    regions = [MaskRegion(LV_ENDOCARDIUM, (drawing(made), None)), MaskRegion(LV_BLOOD_POOL, (None, drawing(made)))]
    dataset = pydicom.dcmread(write_seg(tmp_path / "seg.dcm", regions, sources, "FRACTIONAL"))
    assert dataset.PatientName == made.SECRET and dataset.StudyDate == "20200102" and dataset.Modality == "SEG"
    assert (dataset.ContentLabel, dataset.ContentDescription, dataset.ContentCreatorName) == ("ACDR", "", "")
    assert dataset.SegmentationFractionalType == "OCCUPANCY" and dataset.MaximumFractionalValue == 255
    assert dataset.FrameOfReferenceUID == made.uid("frame of reference")
    one, other = dataset.SegmentSequence
    assert one.SegmentedPropertyTypeCodeSequence[0].CodeMeaning == "Left ventricle"
    assert other.AnatomicRegionSequence[0].CodeValue == "87878005"
    assert one.TrackingUID == regions[0].tracking_uid != other.TrackingUID
    assert one.SegmentationAlgorithmIdentificationSequence[0].AlgorithmName == "monai_acdr"
    references = dataset.ReferencedSeriesSequence[0]
    assert references.SeriesInstanceUID == made.uid("series") and len(references.ReferencedInstanceSequence) == 2


def test_names_of_any_script(made: SimpleNamespace, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    name = "Yamada^Tarou=山田^太郎=やまだ^たろう"
    changes = {"PatientName": name, "SpecificCharacterSet": ["", "ISO 2022 IR 87"]}
    sources = read_sources([made.image(tmp_path / "a.dcm", **changes)])
    dataset = pydicom.dcmread(write_seg(tmp_path / "seg.dcm", [made.SHAPE], sources))
    assert str(dataset.PatientName) == name
    assert "Yamada" not in caplog.text


def test_mammogram(made: SimpleNamespace, tmp_path: Path) -> None:
    sources = read_sources([made.mammogram(tmp_path / "m.dcm")])
    path = write_seg(tmp_path / "seg.dcm", [made.SHAPE], sources, structure=BREAST_MASS)
    (region,) = read_seg(path, sources)
    expected = rasterize_region(as_regions([made.SHAPE], sources, None)[0], sources).masks[0]
    assert expected is not None and np.array_equal(region.masks[0], expected >= 0.5)
    assert region.structure.property_type == BREAST_MASS.property_type and region.structure.region == BREAST_MASS.region


@pytest.mark.parametrize("positions", [[[0, 0, 5], [3, 0, 5], [-3, 0, 5]], [[0, 0, 5]] * 3])
def test_multi_frame(made: SimpleNamespace, tmp_path: Path, positions: list[list[float]]) -> None:
    sources = read_sources([made.enhanced(tmp_path / "e.dcm", positions)])
    masks = [np.roll(drawing(made), index, axis=1) for index in range(3)]
    path = write_seg(tmp_path / "seg.dcm", [MaskRegion(LV_ENDOCARDIUM, tuple(masks))], sources)
    for mask, expected in zip(read_seg(path, sources)[0].masks, masks, strict=True):
        assert np.array_equal(mask, expected)


def measures(path: Path) -> list[tuple[float, ...]]:
    """(row spacing, column spacing, thickness or 0) of each frame, its own or the shared ones."""
    dataset = pydicom.dcmread(path)
    shared = dataset.SharedFunctionalGroupsSequence[0]
    holders = [item if "PixelMeasuresSequence" in item else shared for item in dataset.PerFrameFunctionalGroupsSequence]
    groups = [holder.PixelMeasuresSequence[0] for holder in holders]
    return [(*map(float, group.PixelSpacing), float(group.get("SliceThickness") or 0)) for group in groups]


def frame(position: list[float], spacing: list[float] | None = None, thickness: float | None = None) -> dict[str, Any]:
    content: dict[str, Any] = {"PlanePositionSequence": {"ImagePositionPatient": position}}
    content["PlaneOrientationSequence"] = {"ImageOrientationPatient": [0, 1, 0, 0, 0, -1]}
    group = {"PixelSpacing": spacing or [0.7, 1.9], "SliceThickness": thickness}
    content["PixelMeasuresSequence"] = {key: value for key, value in group.items() if value is not None}
    return content


PER_FRAME = {
    "equal": ([frame([0, 0, 5], None, 8), frame([9, 0, 5], None, 8)], [(0.7, 1.9, 8)] * 2),
    "cine": ([frame([0, 0, 5], None, 8), frame([0, 0, 5], None, 8)], [(0.7, 1.9, 8)] * 2),
    "spacing": ([frame([0, 0, 5], [1, 1], 8), frame([9, 0, 5], [2, 2], 8)], [(2, 2, 8), (1, 1, 8)]),
    "thickness": ([frame([0, 0, 5], None, 8), frame([9, 0, 5], None, 6)], [(0.7, 1.9, 6), (0.7, 1.9, 8)]),
    "unknown": ([frame([0, 0, 5]), frame([9, 0, 5])], [(0.7, 1.9, 9)] * 2),
    "one unknown": ([frame([0, 0, 5]), frame([9, 0, 5], None, 8)], [(0.7, 1.9, 8), (0.7, 1.9, 9)]),
}
"""Frames, and the measures of the segmentation; where the thickness is not known the distance of slices, 9 mm."""


@pytest.mark.parametrize("name", PER_FRAME)
def test_measures_of_each_frame(made: SimpleNamespace, tmp_path: Path, name: str) -> None:
    """Enhanced MR whose measures are per frame, as scanners write it."""
    frames, expected = PER_FRAME[name]
    sources = read_sources([made.grouped(tmp_path / "e.dcm", {}, frames)])
    masks = tuple(np.roll(drawing(made), index, axis=1) for index in range(2))
    path = write_seg(tmp_path / "seg.dcm", [MaskRegion(LV_ENDOCARDIUM, masks)], sources)
    assert sorted(measures(path)) == sorted(expected)
    assert ("thickness not known" in pydicom.dcmread(path).get("ContentDescription", "")) == ("unknown" in name)
    for mask, wanted in zip(read_seg(path, sources)[0].masks, masks, strict=True):
        assert np.array_equal(mask, wanted)
    for item in pydicom.dcmread(path).PerFrameFunctionalGroupsSequence:
        source = sources[source_of_frame(item, sources) or 0]
        assert list(item.PlanePositionSequence[0].ImagePositionPatient) == list(source.position or ())
        if "PixelMeasuresSequence" in item:
            assert list(item.PixelMeasuresSequence[0].PixelSpacing) == list(source.spacing or ())


@pytest.mark.parametrize("changes", [{"SliceThickness": None}, {"SliceThickness": 0}, {"SliceThickness": ""}])
def test_single_frames_without_thickness(made: SimpleNamespace, tmp_path: Path, changes: dict[str, Any]) -> None:
    sources = read_sources([made.image(tmp_path / "a.dcm", **changes)])
    assert measures(write_seg(tmp_path / "seg.dcm", [made.SHAPE], sources)) == [(*made.SPACING, 0)]


def test_spacing_of_single_frames_that_differ(made: SimpleNamespace, tmp_path: Path) -> None:
    for index, spacing in enumerate(([1, 1], [2, 2])):
        place = {"ImagePositionPatient": [0, 0, 10 * index], "PixelSpacing": spacing}
        made.image(tmp_path / f"{index}.dcm", str(index), **place)
    sources = read_sources(sorted(tmp_path.iterdir()))
    path = write_seg(tmp_path / "seg.dcm", [made.SHAPE] * 2, sources)
    assert sorted(measures(path)) == [(1, 1, 8), (2, 2, 8)]
    for item in pydicom.dcmread(path).PerFrameFunctionalGroupsSequence:
        source = sources[source_of_frame(item, sources) or 0]
        assert list(item.PixelMeasuresSequence[0].PixelSpacing) == list(source.spacing or ())


@pytest.mark.parametrize("lacking", ["FrameOfReferenceUID", "ImagePositionPatient", "PixelSpacing"])
def test_cross_sections_without_a_place(made: SimpleNamespace, tmp_path: Path, lacking: str) -> None:
    sources = read_sources([made.image(tmp_path / "a.dcm", **{lacking: None})])
    with pytest.raises(ValueError, match=rf"a\.dcm lacks {lacking}: write a mask or a report"):
        write_seg(tmp_path / "seg.dcm", [made.SHAPE], sources)


def test_refused(made: SimpleNamespace, tmp_path: Path) -> None:
    out = tmp_path / "seg.dcm"
    sources = read_sources(made.series(tmp_path, made.oblique(2)))
    with pytest.raises(ValueError, match="'BINARY' or 'FRACTIONAL', but got 'LABELMAP'"):
        write_seg(out, [made.SHAPE, None], sources, "LABELMAP")
    with pytest.raises(ValueError, match="all are empty"):
        write_seg(out, [MaskRegion(LV_ENDOCARDIUM, (np.zeros(made.SIZE, np.float32), None))], sources)
    with pytest.raises(ValueError, match=r"to be \(9, 13\) with values in \[0, 1\]"):
        write_seg(out, [MaskRegion(LV_ENDOCARDIUM, (np.zeros((13, 9), np.float32), None))], sources)
    other = made.image(tmp_path / "b.dcm", "b", SeriesInstanceUID="1.2.3")
    with pytest.raises(ValueError, match="one series"):
        write_seg(out, [made.SHAPE] * 3, [*sources, *read_sources([other])])
    turned = made.image(tmp_path / "c.dcm", "c", ImageOrientationPatient=made.oblique(9))
    with pytest.raises(ValueError, match="parallel images"):
        write_seg(out, [made.SHAPE] * 3, [*sources, *read_sources([turned])])
    views = read_sources([made.mammogram(tmp_path / f"m{n}.dcm", n) for n in "12"])
    with pytest.raises(ValueError, match="segmentation for each image"):
        write_seg(out, [made.SHAPE] * 2, views)
    assert not out.exists()


@pytest.mark.parametrize(
    ("color", "expected"),
    [((255, 255, 255), (65535, 32896, 32896)), ((0, 0, 0), (0, 32896, 32896)), ((255, 0, 0), (34888, 53485, 50171))],
)
def test_cielab(color: tuple[int, int, int], expected: tuple[int, int, int]) -> None:
    """L*a*b* of sRGB red is (53.24, 80.09, 67.20)."""
    assert np.abs(np.subtract(cielab(color), expected)).max() < 30


@pytest.mark.parametrize("kind", ["BINARY", "FRACTIONAL"])
@pytest.mark.parametrize("source", ["volume", "cine", "mammogram", *PER_FRAME])
def test_passes_dciodvfy(
    made: SimpleNamespace, tmp_path: Path, verify: Callable[[Path], list[str]], kind: str, source: str
) -> None:
    if source == "mammogram":
        paths = [made.mammogram(tmp_path / "m.dcm")]
    elif source in PER_FRAME:
        paths = [made.grouped(tmp_path / "e.dcm", {}, PER_FRAME[source][0])]
    else:
        paths = made.series(tmp_path, made.oblique(3), phases=2 if source == "cine" else 1)
    sources = read_sources(paths)
    path = write_seg(tmp_path / "seg.dcm", [made.SHAPE] * len(sources), sources, kind)
    assert verify(path) == []


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ({}, {}, ("00", None, None)),
        ({"LossyImageCompression": ""}, {}, ("00", None, None)),
        ({"LossyImageCompression": "01"}, {"LossyImageCompression": "00"}, ("01", None, None)),
        (
            {"LossyImageCompression": "00"},
            {
                "LossyImageCompression": "01",
                "LossyImageCompressionRatio": [9.5],
                "LossyImageCompressionMethod": "ISO_10918_1",
            },
            ("01", 9.5, "ISO_10918_1"),
        ),
    ],
)
def test_compression_with_losses_is_stated(
    made: SimpleNamespace,
    tmp_path: Path,
    verify: Callable[[Path], list[str]],
    first: dict[str, Any],
    second: dict[str, Any],
    expected: tuple[object, ...],
) -> None:
    places = ([0, 0, 3], [0, 0, 11])
    paths = [
        made.image(tmp_path / f"{index}.dcm", str(index), ImagePositionPatient=place, **changes)
        for index, (place, changes) in enumerate(zip(places, (first, second), strict=True))
    ]
    path = write_seg(tmp_path / "seg.dcm", [made.SHAPE, made.SHAPE], read_sources(paths))
    dataset = pydicom.dcmread(path)
    keywords = ("LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod")
    assert tuple(dataset.get(keyword) for keyword in keywords) == expected
    assert verify(path) == []


def test_a_lossy_transfer_syntax_is_compression_with_losses(made: SimpleNamespace, tmp_path: Path) -> None:
    sources = read_sources([made.image(tmp_path / "a.dcm")])
    sources[0].header.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    dataset = pydicom.dcmread(write_seg(tmp_path / "seg.dcm", [made.SHAPE], sources))
    assert dataset.LossyImageCompression == "01" and dataset.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian


def test_several_enhanced_objects_of_one_frame_each(made: SimpleNamespace, tmp_path: Path) -> None:
    """Highdicom counts the class of an object, not its frames."""
    paths = []
    for number in range(2):
        path = made.enhanced(tmp_path / f"{number}.dcm", [[0, 0, 5.0 + number]])
        dataset = pydicom.dcmread(path)
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = made.uid("enhanced", number)
        paths.append(made.write(dataset, path))
    sources = read_sources(paths)
    check_seg_sources(sources[:1])
    with pytest.raises(ValueError, match=r"to one only, but got 2 files.*--rtstruct, --mask.* in a separate run"):
        check_seg_sources(sources)
