# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Ventricular volumes against bodies of known volume, and on real patients."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monai_acdr.data.contour_files import read_contour
from monai_acdr.measures import (
    ContourArea,
    FrameHeader,
    VentricleVolumes,
    group_frames,
    measure_shape,
    phase_volumes,
    ventricle_volumes,
)

PHASES = 8
LENGTH, RADIUS = 90.0, 28.0


def scale(phase: int) -> float:
    """Radius over that at end-diastole: smallest in phase 3."""
    return 1 - 0.14 * (1 - math.cos(math.pi * phase / 3 if phase <= 3 else math.pi * (PHASES - phase) / 5))


def length(phase: int, base_moves: bool) -> float:
    return LENGTH * (0.5 + 0.5 * scale(phase)) if base_moves else LENGTH


def true_volume_ml(phase: int, base_moves: bool = False) -> float:
    """Half an ellipsoid."""
    return 2 / 3 * math.pi * (RADIUS * scale(phase)) ** 2 * length(phase, base_moves) / 1000


def ventricle(spacing: float = 10.0, base_moves: bool = False) -> list[ContourArea]:
    """Slices at right angles to the axis; the apex lies at 0, the base at `length`."""
    areas = []
    for phase in range(PHASES):
        for position in np.arange(spacing / 2, LENGTH, spacing):
            height = 1 - position / length(phase, base_moves)
            if height >= 0:
                radius = RADIUS * scale(phase) * math.sqrt(1 - height**2)
                areas.append(ContourArea(float(position), phase, math.pi * radius**2, phase * 100.0))
    return areas


def by_phase(result: VentricleVolumes) -> dict[int, float]:
    return {volume.phase: volume.volume_ml for volume in result.phases}


@pytest.mark.parametrize("spacing", [6.0, 9.0, 10.0])
def test_beating_ventricle_within_three_percent(spacing: float) -> None:
    result = ventricle_volumes(ventricle(spacing))
    assert (result.end_diastole_phase, result.end_systole_phase) == (0, 3)
    assert by_phase(result) == pytest.approx({p: true_volume_ml(p) for p in range(PHASES)}, rel=0.01)
    edv, esv = true_volume_ml(0), true_volume_ml(3)
    assert result.ejection_fraction_percent == pytest.approx(100 * (1 - esv / edv), rel=0.01)
    assert result.stroke_volume_ml == pytest.approx(result.end_diastolic_volume_ml - result.end_systolic_volume_ml)
    assert [volume.time_ms for volume in result.phases] == [100.0 * phase for phase in range(PHASES)]


def test_a_base_between_slices_is_known_to_half_a_disc() -> None:
    result = ventricle_volumes(ventricle(10.0, base_moves=True))
    assert result.end_systole_phase == 3
    assert result.phases[3].slices_beyond  # the base has left the outermost slice
    for volume in result.phases:
        half_disc = math.pi * (RADIUS * scale(volume.phase)) ** 2 * 5 / 1000
        assert volume.volume_ml == pytest.approx(true_volume_ml(volume.phase, base_moves=True), abs=half_disc)


def test_uniform_stack_is_area_times_distance() -> None:
    areas = [ContourArea(10.0 * s, p, 100.0 * (s + 1) / (p + 1)) for s in range(4) for p in range(2)]
    result = ventricle_volumes(areas, thickness_mm=8)
    assert by_phase(result) == pytest.approx({0: 10.0, 1: 5.0})
    assert result.slice_heights_mm == (10, 10, 10, 10)
    assert [finding.kind for finding in result.findings] == ["gap"]


def test_missing_slices_are_interpolated_or_omitted() -> None:
    areas = [ContourArea(10.0 * s, p, a) for p in (0, 1) for s, a in enumerate([100.0, 200.0, 300.0, 200.0])]
    areas = [area for area in areas if (area.position_mm, area.phase) != (20.0, 1)]
    result = ventricle_volumes(areas)
    lacking = result.phases[1]
    assert (lacking.slices_used, lacking.slices_missing, lacking.slices_beyond) == ((0, 1, 3), (2,), ())
    assert by_phase(result) == pytest.approx({0: 8.0, 1: 7.0})
    assert [finding.kind for finding in result.findings] == ["missing_contour"]
    assert "interpolated" in result.findings[0].text
    assert by_phase(ventricle_volumes(areas, missing="omit")) == pytest.approx({0: 8.0, 1: 5.0})


def test_outer_slices_are_not_invented() -> None:
    areas = [ContourArea(10.0 * s, p, 100.0) for p in (0, 1) for s in range(4) if p == 0 or s > 0]
    result = ventricle_volumes(areas)
    assert result.phases[1].slices_beyond == (0,)
    assert by_phase(result) == pytest.approx({0: 4.0, 1: 3.0})
    assert [finding.kind for finding in result.findings] == ["fewer_slices"]


def test_stack_tells_slices_without_any_contour() -> None:
    areas = [ContourArea(10.0 * s, p, 100.0) for p in (0, 1) for s in (1, 2, 4)]
    alone = ventricle_volumes(areas, end_diastole=0, end_systole=1)
    assert [finding.kind for finding in alone.findings] == ["missing_slice"]
    known = ventricle_volumes(areas, stack_positions_mm=[10.0 * s for s in range(7)])
    assert known.slice_positions_mm == (10, 20, 30, 40)
    assert known.phases[0].slices_missing == (2,)
    assert by_phase(known) == pytest.approx({0: 4.0, 1: 4.0})
    single = [ContourArea(0.0, p, 100.0 / (p + 1)) for p in (0, 1)]
    assert by_phase(ventricle_volumes(single, stack_positions_mm=[-8.0, 0.0, 8.0])) == pytest.approx({0: 0.8, 1: 0.4})
    assert by_phase(ventricle_volumes(single, slice_spacing_mm=5)) == pytest.approx({0: 0.5, 1: 0.25})


def test_sparse_phases_are_neither_diastole_nor_systole() -> None:
    areas = [*ventricle(), ContourArea(15.0, PHASES, 10.0)]
    result = ventricle_volumes(areas)
    assert result.end_systole_phase == 3
    assert [finding.text.split(":")[0] for finding in result.findings if finding.kind == "sparse_phase"] == ["phase 8"]
    assert ventricle_volumes(areas, end_systole=PHASES).end_systole_phase == PHASES


@given(st.floats(0.2, 5), st.floats(-500, 500), st.randoms())
def test_scaling_translation_and_order(factor: float, shift: float, random: object) -> None:
    areas = ventricle()
    base = ventricle_volumes(areas)
    moved = [dataclasses.replace(a, position_mm=-a.position_mm + shift, area_mm2=a.area_mm2 * factor) for a in areas]
    random.shuffle(moved)  # type: ignore[attr-defined]
    after = ventricle_volumes(moved)
    assert after.end_diastolic_volume_ml == pytest.approx(factor * base.end_diastolic_volume_ml)
    assert after.ejection_fraction_percent == pytest.approx(base.ejection_fraction_percent)


def test_one_phase_has_volumes_but_no_function() -> None:
    areas = [ContourArea(10.0 * s, 2, 100.0) for s in range(3)]
    volumes, positions, heights = phase_volumes(areas)
    assert (volumes[0].phase, volumes[0].volume_ml, positions, heights) == (2, 3.0, [0, 10, 20], [10, 10, 10])
    with pytest.raises(ValueError, match="at least two phases"):
        ventricle_volumes(areas)


def test_curve() -> None:
    areas = [ContourArea(10.0 * s, p, 100.0 * p) for s in range(3) for p in (1, 3)]
    result = ventricle_volumes(areas)
    assert result.curve() == pytest.approx([None, 3.0, None, 9.0])
    assert result.curve(6) == pytest.approx([None, 3.0, None, 9.0, None, None])
    with pytest.raises(ValueError, match="Expected phases from 0 to 2, but contours are in phases 1 to 3"):
        result.curve(3)


def test_as_dict_is_json() -> None:
    written = json.loads(json.dumps(ventricle_volumes(ventricle(), thickness_mm=6).as_dict(), allow_nan=False))
    assert written["phases"][0]["slices_used"][0] == 0
    assert written["findings"][0]["kind"] == "gap"


def area(value: float = 1.0, phase: int = 0, position: float = 0.0) -> ContourArea:
    return ContourArea(position, phase, value)


@pytest.mark.parametrize(
    ("areas", "options", "message"),
    [
        ([], {}, "at least one contour area"),
        ([area(-1.0)], {}, "area of at least 0"),
        ([area(math.nan)], {}, "area of at least 0"),
        ([area(position=math.inf)], {}, "finite position"),
        ([area(), area(), area(position=9.0)], {}, "one contour per slice and phase"),
        ([area(), area(phase=1)], {}, "at least two slices"),
        (ventricle(), {"missing": "guess"}, "`missing` to be one of"),
        (ventricle(), {"end_systole": 99}, "`end_systole` to be a phase with contours"),
        ([area(0.0, p, 9.0 * s) for p in (0, 1) for s in (0, 1)], {}, "0 mL"),
    ],
)
def test_wrong_input(areas: list[ContourArea], options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ventricle_volumes(areas, **options)


# Patient of link.csv -> folder of the series, frames of a slice that are read: all, or the two that have contours.
PATIENTS = {
    "SC-HF-I-1": ("SCD0000101", 20),
    "SC-HF-I-2": ("SCD0000201", 2),
    "SC-HF-I-4": ("SCD0000301", 2),
    "SC-HF-I-5": ("SCD0000401", 2),
}


@pytest.mark.parametrize("patient", PATIENTS)
def test_real_patients(shared_data: Path, patient: str) -> None:
    """Heart failure with infarction: large ventricles that eject little. References at end-diastole and -systole."""
    root = shared_data / "sunnybrook_dicom"
    folder, num_phases = PATIENTS[patient]
    contours = {
        int(path.name.split("-")[2]): read_contour(path)
        for path in sorted((root / "contourfiles" / patient / "i-contours").glob("*.txt"))
    }
    files = {int(path.stem): path for path in (root / "dicoms" / folder).rglob("*.dcm")}
    numbers = sorted(files if num_phases == 20 else contours)
    datasets = [pydicom.dcmread(files[number], stop_before_pixels=True) for number in numbers]
    grid = group_frames([FrameHeader.from_dataset(dataset) for dataset in datasets])
    assert len(grid.times_ms) == num_phases
    assert not grid.missing_frames
    areas = {
        frame: measure_shape(contours[number], datasets[frame].PixelSpacing).area_mm2
        for frame, number in enumerate(numbers)
        if number in contours
    }
    thickness = float(datasets[0].SliceThickness)
    result = ventricle_volumes(grid.contour_areas(areas), grid.positions_mm, thickness_mm=thickness)
    assert (len(result.phases), result.findings) == (2, ())
    assert 150 < result.end_diastolic_volume_ml < 300
    assert 100 < result.end_systolic_volume_ml < result.end_diastolic_volume_ml
    assert 15 < result.ejection_fraction_percent < 40
    # By hand: these stacks are even, and SpacingBetweenSlices is right in them.
    spacing = float(datasets[0].SpacingBetweenSlices)
    for volume in result.phases:
        total = sum(value for frame, value in areas.items() if grid.phase[frame] == volume.phase)
        assert volume.volume_ml == pytest.approx(total * spacing / 1000, rel=2e-3)
