# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pydicom
import pytest

from monai_acdr.dicom import read_sources, write_seg
from monai_acdr.dicom.identity import without_identity
from monai_acdr.dicom.seg import source_of_frame, spread_positions


def test_slices_and_phases_are_dimensions(made: SimpleNamespace, tmp_path: Path) -> None:
    sources = read_sources(made.series(tmp_path, made.oblique(4), slices=2, phases=3))
    contours = [made.SHAPE if index not in (0, 4) else None for index in range(6)]
    dataset = pydicom.dcmread(write_seg(tmp_path / "seg.dcm", contours, sources))
    keywords = [pydicom.datadict.keyword_for_tag(i.DimensionIndexPointer) for i in dataset.DimensionIndexSequence]
    assert keywords == ["ReferencedSegmentNumber", "ImagePositionPatient", "TemporalPositionIndex"]
    found = {}
    for item in dataset.PerFrameFunctionalGroupsSequence:
        index = source_of_frame(item, sources)
        assert index is not None
        found[index] = list(item.FrameContentSequence[0].DimensionIndexValues)
        place = np.array(item.PlanePositionSequence[0].ImagePositionPatient, dtype=float)
        assert np.abs(place - sources[index].position).max() < 1e-9
    assert found == {1: [1, 1, 2], 2: [1, 1, 3], 3: [1, 2, 1], 5: [1, 2, 3]}
    assert "DimensionOrganizationType" not in dataset


@pytest.mark.parametrize("stated", [None, 8])
@pytest.mark.parametrize("phases", [1, 2])
def test_slice_spacing_is_that_of_the_positions(
    made: SimpleNamespace, tmp_path: Path, stated: float | None, phases: int
) -> None:
    """10 mm between slices of 8 mm, whatever the header says."""
    for index in range(3 * phases):
        place = {"ImagePositionPatient": [0, 0, 10 * (index // phases)], "SpacingBetweenSlices": stated}
        made.image(tmp_path / f"{index}.dcm", str(index), TriggerTime=index % 2, **place)
    paths = sorted(tmp_path.glob("*.dcm"))
    odd = made.image(tmp_path / "odd.dcm", "odd", ImagePositionPatient=[0, 0, 25])
    measures = {}
    for name, chosen in (("even", paths), ("one slice", paths[:phases]), ("uneven", [*paths[:-1], odd])):
        sources = read_sources(chosen)
        dataset = pydicom.dcmread(write_seg(tmp_path / name, [made.SHAPE] * len(sources), sources))
        measures[name] = dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    assert measures["even"].SpacingBetweenSlices == 10 and measures["even"].SliceThickness == 8
    assert not any("SpacingBetweenSlices" in measures[name] for name in ("one slice", "uneven"))


def test_only_copies_are_spread(made: SimpleNamespace, tmp_path: Path) -> None:
    sources = read_sources(made.series(tmp_path, made.oblique(4), slices=1, phases=3))
    headers = [without_identity(source.header) for source in sources]
    spread_positions(headers, sources)
    assert len({tuple(header.ImagePositionPatient) for header in headers}) == 3
    assert len({tuple(source.header.ImagePositionPatient) for source in sources}) == 1


def test_volumes_are_left_alone(made: SimpleNamespace, tmp_path: Path) -> None:
    sources = read_sources(made.series(tmp_path, made.oblique(4), slices=3))
    headers = [without_identity(source.header) for source in sources]
    spread_positions(headers, sources)
    for header, source in zip(headers, sources, strict=True):
        assert header.ImagePositionPatient == source.header.ImagePositionPatient


def test_some_frames_of_a_multi_frame_instance(made: SimpleNamespace, tmp_path: Path) -> None:
    """Every other frame of two slices, as when the phase images are left out: their own places, phases and sources."""
    positions = [[0, 0, 5], [0, 0, 5], [3, 0, 5], [3, 0, 5]] * 2
    sources = read_sources([made.enhanced(tmp_path / "e.dcm", positions)])
    sources = [source for source in sources if source.frame % 2]
    dataset = pydicom.dcmread(write_seg(tmp_path / "seg.dcm", [made.SHAPE] * 4, sources))
    found = []
    for item in dataset.PerFrameFunctionalGroupsSequence:
        index = source_of_frame(item, sources)
        assert index is not None
        assert list(item.PlanePositionSequence[0].ImagePositionPatient) == list(sources[index].position)
        reference = item.DerivationImageSequence[0].SourceImageSequence[0].ReferencedFrameNumber
        found.append((int(reference), *item.FrameContentSequence[0].DimensionIndexValues))
    assert sorted(found) == [(1, 1, 2, 1), (3, 1, 1, 1), (5, 1, 2, 2), (7, 1, 1, 2)]
