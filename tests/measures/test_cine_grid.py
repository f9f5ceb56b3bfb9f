# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Frames of a series by slice and phase, from complete and from poor headers."""

from __future__ import annotations

import dataclasses
import random
from pathlib import Path

import numpy as np
import pydicom
import pytest

from monai_acdr.data.phantoms import ShortAxisPhantom, write_short_axis_studies
from monai_acdr.measures import FrameHeader, group_frames, measure_shape, ventricle_volumes

ROW, COLUMN = np.array([0.6, 0.8, 0.0]), np.array([0.0, 0.0, -1.0])
NORMAL = np.cross(ROW, COLUMN)
SLICES, PHASES, SPACING = 4, 5, 10.0


def headers() -> list[FrameHeader]:
    """Slice by slice; SliceLocation is a coordinate of the plane, as scanners write it, and steps 8 mm, not 10."""
    return [
        FrameHeader(
            position=tuple((s * SPACING * NORMAL + [3.0, 4.0, 5.0]).tolist()),
            orientation=(*ROW.tolist(), *COLUMN.tolist()),
            slice_location=float(s * SPACING * NORMAL[0]),
            slice_spacing_mm=SPACING,
            trigger_time_ms=(20 + 40.0 * p) * (1 + 0.01 * s),
            instance_number=s * PHASES + p + 1,
        )
        for s in range(SLICES)
        for p in range(PHASES)
    ]


def without(*names: str) -> list[FrameHeader]:
    return [dataclasses.replace(header, **dict.fromkeys(names)) for header in headers()]


EXPECTED = [(s, p) for s in range(SLICES) for p in range(PHASES)]


def test_complete_headers_in_any_order() -> None:
    order = random.Random(0).sample(range(SLICES * PHASES), SLICES * PHASES)
    frames = headers()
    grid = group_frames([frames[i] for i in order])
    assert list(zip(grid.slice_index, grid.phase, strict=True)) == [EXPECTED[i] for i in order]
    assert np.diff(grid.positions_mm) == pytest.approx([SPACING] * (SLICES - 1))
    assert grid.times_ms == pytest.approx([(20 + 40.0 * p) * 1.015 for p in range(PHASES)])
    assert grid.missing_frames == grid.findings == ()


@pytest.mark.parametrize(
    ("lost", "kinds"),
    [
        (["trigger_time_ms"], ["phases_by_number"]),
        (["instance_number"], []),
        (["slice_location", "slice_spacing_mm"], []),
        (["position"], ["no_position"]),
        (["orientation", "trigger_time_ms"], ["no_position", "phases_by_number"]),
    ],
)
def test_poor_headers(lost: list[str], kinds: list[str]) -> None:
    grid = group_frames(without(*lost))
    places = list(zip(grid.slice_index, grid.phase, strict=True))
    # The direction of SliceLocation is not that of the normal.
    assert places in (EXPECTED, [(SLICES - 1 - s, p) for s, p in EXPECTED])
    assert np.diff(grid.positions_mm) == pytest.approx([SPACING] * (SLICES - 1))
    assert [finding.kind for finding in grid.findings] == kinds


def test_slice_location_keeps_gaps() -> None:
    frames = [header for header in without("position") if header.slice_location != 2 * SPACING * NORMAL[0]]
    assert np.diff(group_frames(frames).positions_mm) == pytest.approx([20, 10] if NORMAL[0] < 0 else [10, 20])


def test_missing_frames_are_named() -> None:
    frames = headers()
    del frames[PHASES + 2]
    grid = group_frames(frames)
    assert grid.missing_frames == ((1, 2),)
    assert [finding.kind for finding in grid.findings] == ["missing_frame"]
    assert grid.phase[PHASES : 2 * PHASES - 1] == (0, 1, 3, 4)


def test_contour_areas() -> None:
    areas = group_frames(headers()).contour_areas({6: 12.0, 0: 10.0})
    assert [(area.phase, area.area_mm2) for area in areas] == [(0, 10.0), (1, 12.0)]
    assert areas[1].position_mm - areas[0].position_mm == pytest.approx(SPACING)
    with pytest.raises(ValueError, match="frame numbers from 0 to 19"):
        group_frames(headers()).contour_areas({20: 1.0})


def test_wrong_stacks() -> None:
    with pytest.raises(ValueError, match="at least one frame"):
        group_frames([])
    with pytest.raises(ValueError, match="20 of 20 frames lack the former and 20 SliceLocation"):
        group_frames(without("position", "slice_location"))
    with pytest.raises(ValueError, match=r"SpacingBetweenSlices: no"):
        group_frames(without("position", "slice_spacing_mm"))
    long_axis = dataclasses.replace(headers()[0], orientation=(1.0, 0, 0, 0, 1.0, 0))
    with pytest.raises(ValueError, match="differ by up to 90 degrees"):
        group_frames([*headers(), long_axis])
    broken = dataclasses.replace(headers()[0], orientation=(0.0,) * 6)
    with pytest.raises(ValueError, match="two orthogonal unit vectors"):
        group_frames([broken])
    with pytest.raises(ValueError, match="Drop duplicates"):
        group_frames([*headers(), headers()[3]])


def test_header_of_a_dataset() -> None:
    dataset = pydicom.Dataset()
    assert FrameHeader.from_dataset(dataset) == FrameHeader()
    dataset.ImagePositionPatient = [1, 2, 3]
    dataset.TriggerTime = "12.5"
    dataset.InstanceNumber = "7"
    dataset.SliceLocation = None
    dataset.SpacingBetweenSlices = ""
    assert FrameHeader.from_dataset(dataset) == FrameHeader((1, 2, 3), trigger_time_ms=12.5, instance_number=7)
    odd = {"ImagePositionPatient": [1, 2], "TriggerTime": "soon", "SliceLocation": float("nan")}
    assert FrameHeader.from_dataset(odd) == FrameHeader()


def test_synthetic_study_from_files_to_volumes(tmp_path: Path) -> None:
    """Headers of written files, true contours: the disc sum of the areas of the model, slices 10 mm apart."""
    size, spacing = (100, 140), (1.5, 1.0)
    root = write_short_axis_studies(tmp_path / "study", 1, num_slices=3, num_phases=2, size=size, spacing=spacing)
    files = sorted(root.rglob("*.dcm"), key=lambda path: int(path.stem))
    grid = group_frames([FrameHeader.from_dataset(pydicom.dcmread(f, stop_before_pixels=True)) for f in files])
    phantom = ShortAxisPhantom(0, 3, 2, size, spacing)
    areas, expected = {}, np.zeros(2)
    for frame in range(len(files)):
        index, phase = divmod(frame, 2)
        areas[frame] = measure_shape(phantom.contours(index, phase).endocardium, spacing).area_mm2
        radii = phantom.heart.endocardium(phantom.level(index), phantom.contraction(phase)).radii
        # Area in polar coordinates, of the curve rather than of the polygon.
        expected[phase] += np.pi * np.mean(radii**2) * 10 / 1000
    result = ventricle_volumes(grid.contour_areas(areas), grid.positions_mm, thickness_mm=8)
    assert [volume.volume_ml for volume in result.phases] == pytest.approx(expected, rel=0.01)
    assert (result.end_diastole_phase, result.end_systole_phase) == (0, 1)
    assert result.ejection_fraction_percent == pytest.approx(100 * (1 - expected[1] / expected[0]), abs=0.5)
