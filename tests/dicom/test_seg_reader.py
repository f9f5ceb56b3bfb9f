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
from pydicom.uid import RLELossless

from monai_acdr.dicom import LV_ENDOCARDIUM, MaskRegion, read_seg, read_sources, seg, write_seg
from monai_acdr.dicom.seg import read_segmentation
from monai_acdr.dicom.source import SourceFrame
from monai_acdr.read_budget import read_budget
from tests.dicom.conftest import raw


@pytest.fixture()
def sources(made: SimpleNamespace, tmp_path: Path) -> list[SourceFrame]:
    return read_sources(made.series(tmp_path, made.oblique(5)))


@pytest.fixture()
def change(
    made: SimpleNamespace, tmp_path: Path, sources: list[SourceFrame]
) -> Callable[[Callable[[Dataset], object]], Path]:
    """A fractional segmentation of both images, changed by a function."""

    def run(function: Callable[[Dataset], object]) -> Path:
        path = write_seg(tmp_path / "seg.dcm", [made.SHAPE, made.SHAPE], sources, "FRACTIONAL", overwrite=True)
        dataset = pydicom.dcmread(path)
        function(dataset)
        return made.write(dataset, path)

    return run


def frame(dataset: Dataset) -> Dataset:
    return dataset.PerFrameFunctionalGroupsSequence[0]


def test_other_programs_files(change: Callable[..., Path], sources: list[SourceFrame]) -> None:
    """Without references, frames are found by their place."""

    def bare(dataset: Dataset) -> None:
        for item in dataset.PerFrameFunctionalGroupsSequence:
            del item.DerivationImageSequence

    expected = read_seg(change(lambda d: None), sources)[0].masks
    found = read_seg(change(bare), sources)[0].masks
    for mask, wanted in zip(found, expected, strict=True):
        assert mask is not None and wanted is not None and np.array_equal(mask, wanted)


def _flip(dataset: Dataset) -> None:
    plane = dataset.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0]
    directions = [float(value) for value in plane.ImageOrientationPatient]
    plane.ImageOrientationPatient = [*(-v for v in directions[:3]), *directions[3:]]


def _elsewhere(dataset: Dataset) -> None:
    frame(dataset).DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID = "1.2.3"


def _twice(dataset: Dataset) -> None:
    groups = dataset.PerFrameFunctionalGroupsSequence
    groups[1] = groups[0]


def _concatenated(dataset: Dataset) -> None:
    dataset.ConcatenationUID, dataset.InConcatenationNumber, dataset.InConcatenationTotalNumber = "1.2.3", 2, 3


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (_flip, "on the grid of their images, but frame 1 differs from"),
        (_elsewhere, "but frame 1 names none of them"),
        (_twice, "one frame for a segment and an image"),
        (lambda d: setattr(d, "FrameOfReferenceUID", "1.2.3"), "on the grid of their images"),
        (lambda d: setattr(d, "SOPClassUID", "1.2.3"), "Expected a DICOM segmentation"),
        (
            lambda d: setattr(d, "SegmentationType", "OTHER"),
            "of type BINARY, FRACTIONAL, LABELMAP with frames of 1, 8 or 1",
        ),
        (lambda d: setattr(d, "SamplesPerPixel", 3), "of type BINARY, FRACTIONAL, LABELMAP with frames of 1, 8 or 16"),
        (lambda d: d.update(raw("52009230US", b"\1\0")), "PerFrameFunctionalGroupsSequence to be a sequence"),
        (lambda d: d.update(raw("52009229LO", b"DOE ")), "SharedFunctionalGroupsSequence to be a sequence"),
        (
            lambda d: d.SegmentSequence[0].update(raw("00620004PN", b"DOE ")),
            "SegmentNumber to be a whole number, but it",
        ),
        (lambda d: d.SegmentSequence.append(d.SegmentSequence[0]), "has two segments #1"),
        (
            lambda d: d.SharedFunctionalGroupsSequence[0].SegmentIdentificationSequence[0].clear(),
            "ReferencedSegmentNumber to be a whole number",
        ),
        (lambda d: frame(d).update(raw("00089124FD", b"\0" * 8)), "DerivationImageSequence to be a sequence"),
        (lambda d: setattr(d, "NumberOfFrames", 10**9), "functional groups for 1000000000 frames, but .* has 2"),
        (
            lambda d: setattr(d, "PixelData", b"\0\0"),
            "234 bytes of pixels for 2 frames of 9 x 13 .* holds 2: the file is truncated",
        ),
        (lambda d: setattr(d, "MaximumFractionalValue", 3), "has 0 to 255 of 3"),
        (lambda d: setattr(d, "PixelRepresentation", 1), "fractions from 0 to .* has -114 to 112 of 255"),
        (lambda d: setattr(d, "SegmentSequence", []), "at least one segment"),
        (lambda d: setattr(d.SegmentSequence[0], "SegmentNumber", 2), "has one of a segment #1"),
        (lambda d: d.PerFrameFunctionalGroupsSequence.pop(), "functional groups for 2 frames, but .* has 1"),
        (_concatenated, "a whole segmentation, but .* is one of 3 parts of a concatenation"),
    ],
)
def test_hostile(
    change: Callable[..., Path], sources: list[SourceFrame], function: Callable[[Dataset], object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        read_seg(change(function), sources)


def test_size(change: Callable[..., Path], sources: list[SourceFrame]) -> None:
    path = change(lambda d: setattr(d, "Rows", 40_000))
    with read_budget(1), pytest.raises(ValueError, match="seg.dcm to need at most 1 MiB of memory.*--read-budget"):
        read_seg(path, sources)


def _coarse(dataset: Dataset) -> None:
    dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing = [1.0, 1.9]


def _moved(dataset: Dataset) -> None:
    plane = frame(dataset).PlanePositionSequence[0]
    plane.ImagePositionPatient = [float(plane.ImagePositionPatient[0]) + 3, *plane.ImagePositionPatient[1:]]


@pytest.mark.parametrize(
    ("function", "difference"),
    [
        (_coarse, "in spacing: resample"),
        (_moved, "in position: resample"),
        (_flip, "in orientation: resample"),
        (lambda d: setattr(d, "FrameOfReferenceUID", "1.2.3"), "in frame of reference: resample"),
        (
            lambda d: d.SharedFunctionalGroupsSequence[0].pop("PlaneOrientationSequence"),
            "in having a place in the pati",
        ),
        (lambda d: d.SharedFunctionalGroupsSequence[0].pop("PixelMeasuresSequence"), "in spacing, which it lacks"),
    ],
)
def test_differences_are_named(
    change: Callable[..., Path], sources: list[SourceFrame], function: Callable[[Dataset], object], difference: str
) -> None:
    with pytest.raises(ValueError, match=f"frame 1 differs from .* {difference}"):
        read_seg(change(function), sources)


@pytest.fixture()
def two(made: SimpleNamespace, tmp_path: Path, sources: list[SourceFrame]) -> Path:
    """Two segments of one label, on both images."""
    one, other = np.zeros(made.SIZE, np.float32), np.zeros(made.SIZE, np.float32)
    one[2:4, 3:9], other[5:6, 1:3] = 1, 1
    masks = [MaskRegion(LV_ENDOCARDIUM, (one, one)), MaskRegion(LV_ENDOCARDIUM, (other, None))]
    return write_seg(tmp_path / "two.dcm", masks, sources)


def test_segments_are_chosen(two: Path, sources: list[SourceFrame]) -> None:
    assert [region.number for region in read_seg(two, sources)] == [1, 2]
    with pytest.raises(ValueError, match="2 are called so: choose one of #1 'LV endocardium', #2 'LV endocardium' by"):
        read_seg(two, sources, "LV endocardium")
    (region,) = read_seg(two, sources, "#2")
    assert region.number == 2 and region.masks[1] is None
    assert region.masks[0] is not None and region.masks[0].sum() == 2


def test_faults_of_other_segments(
    made: SimpleNamespace, two: Path, sources: list[SourceFrame], caplog: pytest.LogCaptureFixture
) -> None:
    dataset = pydicom.dcmread(two)
    numbers = [
        int(item.SegmentIdentificationSequence[0].ReferencedSegmentNumber)
        for item in dataset.PerFrameFunctionalGroupsSequence
    ]
    bad = dataset.PerFrameFunctionalGroupsSequence[numbers.index(2)]
    del bad.DerivationImageSequence
    bad.PlanePositionSequence[0].ImagePositionPatient = [500, 500, 500]
    made.write(dataset, two)
    (region,) = read_seg(two, sources)
    assert region.number == 1
    assert "names none of them and lies in the place of 0" in caplog.text and "(segment #2)" in caplog.text
    assert read_seg(two, sources, "#1")[0].number == 1
    with pytest.raises(ValueError, match=r"lies in the place of 0.*\(segment #2\)"):
        read_seg(two, sources, "#2")


def test_label_maps(made: SimpleNamespace, two: Path, sources: list[SourceFrame]) -> None:
    """A frame for each image, whose values are numbers of segments (PS3.3 A.51, 2024)."""
    expected = read_seg(two, sources)
    dataset = pydicom.dcmread(two)
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = seg.LABEL_MAP_STORAGE
    dataset.SegmentationType, dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = "LABELMAP", 8, 8, 7
    values = np.zeros((2, *made.SIZE), np.uint8)
    for region in expected:
        for layer, mask in zip(values, region.masks, strict=True):
            layer[(mask if mask is not None else np.zeros(made.SIZE)) > 0] = region.number
    groups = {}
    for item in dataset.PerFrameFunctionalGroupsSequence:
        uid = item.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
        del item.SegmentIdentificationSequence
        groups[uid] = item
    dataset.PerFrameFunctionalGroupsSequence = [groups[source.key[0]] for source in sources]
    dataset.NumberOfFrames, dataset.PixelData = 2, values.tobytes() + b"\0" * (values.size % 2)
    made.write(dataset, two)
    for found, region in zip(read_seg(two, sources), expected, strict=True):
        for mask, wanted in zip(found.masks, region.masks, strict=True):
            assert (mask is None) == (wanted is None)
            assert mask is None or np.array_equal(mask, wanted)
    # The background may have any number, and a segment the number 0.
    others = np.where(values == 0, 255, np.where(values == 1, 0, values)).astype(np.uint8)
    dataset.PixelData = others.tobytes() + b"\0" * (values.size % 2)
    dataset.add_new("PixelPaddingValue", "US", 255)
    dataset.SegmentSequence[0].SegmentNumber = 0
    made.write(dataset, two)
    moved = read_segmentation(two, sources)
    assert [region.number for region in moved.regions] == [0, 2] and moved.left_out == ()
    for found, region in zip(moved.regions, expected, strict=True):
        for mask, wanted in zip(found.masks, region.masks, strict=True):
            assert (mask is None) == (wanted is None)
            assert mask is None or np.array_equal(mask, wanted)
    del dataset.PixelPaddingValue
    dataset.SegmentSequence[0].SegmentNumber = 1
    dataset.PixelData = values.tobytes() + b"\0" * (values.size % 2)
    dataset.SegmentSequence.pop()
    made.write(dataset, two)
    assert [region.number for region in read_seg(two, sources)] == [1]
    with pytest.raises(ValueError, match="none is called so: choose one of #1"):
        read_seg(two, sources, "#2")


def test_probabilities_are_told(
    change: Callable[..., Path], sources: list[SourceFrame], caplog: pytest.LogCaptureFixture
) -> None:
    path = change(lambda d: setattr(d, "SegmentationFractionalType", "PROBABILITY"))
    read_seg(path, sources)
    assert "has probabilities: they are taken for the covered share" in caplog.text


def test_several_sources_of_a_frame(change: Callable[..., Path], sources: list[SourceFrame]) -> None:
    """A frame that was derived from both images lies on the one whose grid it has."""

    def both(dataset: Dataset) -> None:
        first, second = (
            item.DerivationImageSequence[0].SourceImageSequence for item in dataset.PerFrameFunctionalGroupsSequence
        )
        everything = [second[0], first[0]]
        for item in dataset.PerFrameFunctionalGroupsSequence:
            item.DerivationImageSequence[0].SourceImageSequence = everything

    expected = read_seg(change(lambda d: None), sources)[0].masks
    for mask, wanted in zip(read_seg(change(both), sources)[0].masks, expected, strict=True):
        assert mask is not None and wanted is not None and np.array_equal(mask, wanted)


@pytest.mark.parametrize("kind", ["phases", "mammogram"])
def test_sources_that_all_frames_share(made: SimpleNamespace, tmp_path: Path, kind: str) -> None:
    """The derivation may be a shared functional group (PS3.3 table A.51-2); these frames have no place of their own."""
    if kind == "phases":
        images = read_sources(made.series(tmp_path, made.oblique(5), slices=1, phases=2))
        masks = [None, made.SHAPE]
    else:
        images, masks = read_sources([made.mammogram(tmp_path / "a.dcm")]), [made.SHAPE]
    path = write_seg(tmp_path / "seg.dcm", masks, images)
    expected = read_seg(path, images)[0].masks
    dataset = pydicom.dcmread(path)
    dataset.SharedFunctionalGroupsSequence[0].add(frame(dataset)["DerivationImageSequence"])
    del frame(dataset).DerivationImageSequence
    for mask, wanted in zip(read_seg(made.write(dataset, path), images)[0].masks, expected, strict=True):
        assert (mask is None) == (wanted is None)
        assert mask is None or np.array_equal(mask, wanted)


def test_run_lengths(change: Callable[..., Path], sources: list[SourceFrame]) -> None:
    """Compressed frames are read as any pixels are, and held to the size that the header says."""
    expected = read_seg(change(lambda d: None), sources)[0].masks
    path = change(lambda d: d.compress(RLELossless, generate_instance_uid=False))
    for mask, wanted in zip(read_seg(path, sources)[0].masks, expected, strict=True):
        assert mask is not None and wanted is not None and np.array_equal(mask, wanted)
    path.write_bytes(path.read_bytes().replace(b"\1\0\0\0\x40\0\0\0", b"\3\0\0\0\x40\0\0\0"))
    with pytest.raises(ValueError, match="1 run-length segment.* for each frame, but .*seg.dcm has other ones"):
        read_seg(path, sources)
