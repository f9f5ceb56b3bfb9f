# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import random
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from monai_acdr.dicom import read_sources
from monai_acdr.dicom.source import slice_numbers


@pytest.mark.parametrize("stack", [1.0, -1.0])
def test_order_is_that_of_space_and_time(made: SimpleNamespace, tmp_path: Path, stack: float) -> None:
    paths = made.series(tmp_path, made.oblique(1), stack, slices=3, phases=2)
    shuffled = random.Random(0).sample(paths, len(paths))
    sources = read_sources(shuffled)
    expected = [f"{s}-{p}" for s in (range(3) if stack > 0 else (2, 1, 0)) for p in range(2)]
    assert [source.path.stem for source in sources] == expected
    assert slice_numbers(sources) == [0, 0, 1, 1, 2, 2]


def test_points_by_hand(made: SimpleNamespace, tmp_path: Path) -> None:
    for number, orientation in enumerate([*made.right_angles(), *map(made.oblique, range(4))]):
        (tmp_path / f"{number}").mkdir()
        source = read_sources(made.series(tmp_path / f"{number}", orientation, slices=1))[0]
        world = made.by_hand(made.SHAPE, source.path)
        assert np.abs(source.to_world(made.SHAPE) - world).max() < 1e-9
        assert np.abs(source.to_pixel(world) - made.SHAPE).max() < 1e-9
        assert np.abs(source.distance(world)).max() < 1e-7
        assert source.has_place and source.size == made.SIZE and source.spacing == made.SPACING


def test_multi_frame(made: SimpleNamespace, tmp_path: Path) -> None:
    path = made.enhanced(tmp_path / "e.dcm", [[0, 0, 5], [3, 0, 5], [-3, 0, 5]])
    sources = read_sources([path])
    assert [source.frame for source in sources] == [2, 1, 3]  # the normal is -x
    assert sources[0].position == (3, 0, 5) and sources[0].spacing == made.SPACING
    assert sources[0].orientation == (0, 1, 0, 0, 0, -1) and sources[0].num_frames == 3


def test_mammogram(made: SimpleNamespace, tmp_path: Path) -> None:
    (source,) = read_sources([made.mammogram(tmp_path / "m.dcm")])
    assert not source.has_place and source.spacing == (0.2, 0.2) and source.frame_of_reference is None


def test_one_frame_of_reference_a_series(
    made: SimpleNamespace, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    paths = [
        made.image(tmp_path / f"{i}.dcm", str(i), FrameOfReferenceUID=made.uid("f", i), InstanceNumber=i)
        for i in (1, 2)
    ]
    sources = read_sources(paths)
    assert {source.frame_of_reference for source in sources} == {made.uid("f", 1)}
    assert "series of 2 frames has 2 frames of reference" in caplog.text


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"PatientID": "P2"}, r"one patient, but got 2 different PatientIDs, such as those of .*a\.dcm and .*b\.dcm"),
        ({"StudyInstanceUID": "1.2.3"}, "one study, but got 2 different StudyInstanceUIDs"),
        ({"SOPInstanceUID": "1.2.4"}, "each instance once"),
        ({"Rows": None}, r"positive Rows, but .*b\.dcm has none: is it a report"),
        ({"SeriesInstanceUID": None}, r"b\.dcm to have SeriesInstanceUID"),
    ],
)
def test_refused(made: SimpleNamespace, tmp_path: Path, changes: dict[str, object], message: str) -> None:
    same = {"SOPInstanceUID": "1.2.4"} if "SOPInstanceUID" in changes else {}
    one = made.image(tmp_path / "a.dcm", "a", **same)
    if "Rows" in changes:
        other = made.image(tmp_path / "b.dcm", "b", Rows=0)
    else:
        other = made.image(tmp_path / "b.dcm", "b", **changes)
    with pytest.raises(ValueError, match=message) as caught:
        read_sources([one, other])
    assert made.SECRET not in str(caught.value) and "P2" not in str(caught.value)


def test_no_files() -> None:
    with pytest.raises(ValueError, match="at least one source image"):
        read_sources([])


def test_too_many_frames(made: SimpleNamespace, tmp_path: Path) -> None:
    path = made.image(tmp_path / "b.dcm", Rows=1, Columns=1, NumberOfFrames=10_001)
    with pytest.raises(ValueError, match="at most 10000 frames"):
        read_sources([path])
