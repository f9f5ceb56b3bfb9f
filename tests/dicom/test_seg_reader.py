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

from monai_acdr.dicom import read_seg, read_sources, seg_reader, write_seg
from monai_acdr.dicom.source import SourceFrame

pytest.importorskip("highdicom")


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


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (_flip, "on the grid of their images, but frame 1 differs from"),
        (_elsewhere, "but frame 1 names none of them"),
        (_twice, "one frame for a segment and an image"),
        (lambda d: setattr(d, "FrameOfReferenceUID", "1.2.3"), "on the grid of their images"),
        (lambda d: setattr(d, "SOPClassUID", "1.2.3"), "Expected a DICOM segmentation"),
        (lambda d: setattr(d, "SegmentationType", "LABELMAP"), "BINARY or FRACTIONAL segmentation with frames"),
        (lambda d: setattr(d, "PixelData", b"\0\0"), "readable pixels, but those of .* are broken"),
        (lambda d: setattr(d, "MaximumFractionalValue", 3), "has 255 of 3"),
        (lambda d: setattr(d, "SegmentSequence", []), "at least one segment"),
        (lambda d: setattr(d.SegmentSequence[0], "SegmentNumber", 2), "has one of a segment 1"),
        (lambda d: d.PerFrameFunctionalGroupsSequence.pop(), "functional groups for 2 frames, but .* has 1"),
    ],
)
def test_hostile(
    change: Callable[..., Path], sources: list[SourceFrame], function: Callable[[Dataset], object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        read_seg(change(function), sources)


def test_size(change: Callable[..., Path], sources: list[SourceFrame], monkeypatch: pytest.MonkeyPatch) -> None:
    path = change(lambda d: None)
    monkeypatch.setattr(seg_reader, "MAX_VALUES", 100)
    with pytest.raises(ValueError, match="at most 100 pixels"):
        read_seg(path, sources)
