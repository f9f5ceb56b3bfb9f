# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The ventricle's stack, phases, volumes, wall and ends, against independent computations."""

from __future__ import annotations

import dataclasses
import json
import math
import random
from pathlib import Path

import numpy as np
import pydicom
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from shapely.geometry import Point, Polygon

from monai_acdr.data.contour_files import read_contour
from monai_acdr.data.phantoms import ShortAxisPhantom, write_short_axis_studies
from monai_acdr.measures import (
    MYOCARDIUM_G_PER_ML,
    ContourArea,
    FrameHeader,
    VentricleVolumes,
    WallSlice,
    cavities_too_wide,
    find_base_end,
    group_frames,
    incomplete_stack,
    measure_shape,
    measure_wall,
    phase_volumes,
    slices_above_base,
    slices_below_apex,
    stack_place,
    ventricle_volumes,
    ventricle_wall,
)
from monai_acdr.measures.ventricle import Finding, check_stack, cluster_positions, find_phases, slice_heights


def test_clusters_in_any_order() -> None:
    index, positions = cluster_positions([20.0, -10.02, 10.0, -9.98, 0.0, 20.1])
    assert index == [3, 0, 2, 0, 1, 3]
    assert positions == pytest.approx([-10, 0, 10, 20.05])


@given(st.lists(st.integers(-50, 50), min_size=1, max_size=30), st.integers(0, 1000))
def test_clusters_do_not_depend_on_the_order(steps: list[int], seed: int) -> None:
    values = [8.0 * step for step in steps]
    shuffled = random.Random(seed).sample(range(len(values)), len(values))
    index, positions = cluster_positions(values)
    again, same = cluster_positions([values[i] for i in shuffled])
    assert positions == same == sorted(set(values))
    assert [index[i] for i in shuffled] == again


@pytest.mark.parametrize("distance", [0.3, 0.5, 0.55])
def test_thin_slices_are_slices_and_not_phases(distance: float) -> None:
    """As of a reformatted volume; at 0.5 mm rounding decides whether two of them are near."""
    positions = [100 / 3 + number * distance for number in range(40)]
    index, centers = cluster_positions(positions * 2)
    assert index == [*range(40)] * 2 and centers == pytest.approx(positions)
    grid = group_frames(
        FrameHeader(position=(0.0, 0.0, z), orientation=(1.0, 0, 0, 0, 1.0, 0), instance_number=number)
        for number, z in enumerate(positions)
    )
    assert grid.num_slices == 40 and grid.num_phases == 1
    with pytest.raises(ValueError, match="Expected slices more than 0.05 mm apart.* run into each other: choose one"):
        cluster_positions(np.arange(0, 5, 0.04))


@pytest.mark.parametrize("positions", [[0.0, 10, 10, 20], [20.0, 10, 0], [0.0, math.inf]])
def test_positions_that_are_not_ascending_are_refused(positions: list[float]) -> None:
    table = np.ones((len(positions), 1))
    for function in (slice_heights, check_stack, lambda places: incomplete_stack(table, table, places, 0)):
        with pytest.raises(ValueError, match="ascending and all different, but got .*: sort them, each slice once"):
            function(positions)


def test_heights() -> None:
    assert slice_heights([0, 10, 20]) == [10, 10, 10]
    # A slice is missing at 20 mm: its neighbors stand for half of it each.
    assert slice_heights([0, 10, 30, 40]) == [10, 15, 15, 10]
    assert slice_heights([5.0], slice_spacing_mm=8) == [8]


@given(st.lists(st.floats(1, 20), min_size=1, max_size=12))
def test_heights_fill_the_stack(distances: list[float]) -> None:
    positions = [sum(distances[:count]) for count in range(len(distances) + 1)]
    heights = slice_heights(positions)
    usual = sorted(distances)[(len(distances) - 1) // 2]
    assert sum(heights) == pytest.approx(sum(distances) + usual)
    assert min(heights) > 0


def test_findings() -> None:
    assert check_stack([0, 10, 20, 30]) == check_stack([0, 10, 20], 10.0) == check_stack([0.0]) == []
    (lost,) = check_stack([0, 10, 40, 50, 60])
    assert lost.kind == "missing_slice"
    assert "30.0 mm between slices 2 and 3 of 5, usually 10.0 mm: 2 slice(s)" in lost.text
    assert [finding.kind for finding in check_stack([0, 10, 15, 25, 35])] == ["uneven_spacing"]
    (overlap,) = check_stack([0, 6, 12], thickness_mm=8)
    assert (overlap.kind, overlap.text) == ("overlap", "2 of 2 pairs of slices, up to 2.0 mm; thickness 8 mm")
    assert [finding.kind for finding in check_stack([0, 10, 20], thickness_mm=8)] == ["gap"]


def test_wrong_stack() -> None:
    with pytest.raises(ValueError, match="at least one finite slice position"):
        cluster_positions([])
    with pytest.raises(ValueError, match="at least one finite slice position"):
        cluster_positions([0.0, math.nan])
    with pytest.raises(ValueError, match="at least two slices"):
        slice_heights([0.0])
    with pytest.raises(ValueError, match="`slice_spacing_mm` to be positive"):
        slice_heights([0.0], slice_spacing_mm=0)
    with pytest.raises(ValueError, match="`thickness_mm` to be positive"):
        check_stack([0.0, 1.0], thickness_mm=-1)


NUM_PHASES = 8
LENGTH, RADIUS = 90.0, 28.0


def scale(phase: int) -> float:
    """Radius over that at end-diastole: smallest in phase 3."""
    return 1 - 0.14 * (1 - math.cos(math.pi * phase / 3 if phase <= 3 else math.pi * (NUM_PHASES - phase) / 5))


def length(phase: int, base_moves: bool) -> float:
    return LENGTH * (0.5 + 0.5 * scale(phase)) if base_moves else LENGTH


def true_volume_ml(phase: int, base_moves: bool = False) -> float:
    """Half an ellipsoid."""
    return 2 / 3 * math.pi * (RADIUS * scale(phase)) ** 2 * length(phase, base_moves) / 1000


def ventricle(spacing: float = 10.0, base_moves: bool = False) -> list[ContourArea]:
    """Slices at right angles to the axis; the apex lies at 0, the base at `length`."""
    areas = []
    for phase in range(NUM_PHASES):
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
    assert by_phase(result) == pytest.approx({p: true_volume_ml(p) for p in range(NUM_PHASES)}, rel=0.01)
    edv, esv = true_volume_ml(0), true_volume_ml(3)
    assert result.ejection_fraction_percent == pytest.approx(100 * (1 - esv / edv), rel=0.01)
    assert result.stroke_volume_ml == pytest.approx(result.end_diastolic_volume_ml - result.end_systolic_volume_ml)
    assert [volume.time_ms for volume in result.phases] == [100.0 * phase for phase in range(NUM_PHASES)]


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
    assert known.slice_positions_mm == tuple(range(0, 70, 10))
    assert (known.phases[0].slices_used, known.phases[0].slices_missing) == ((1, 2, 4), (3,))
    assert {each.text for each in known.findings} == {
        f"phase {phase}: no contour in slice 4 of 7, interpolated" for phase in (1, 2)
    }
    assert by_phase(known) == pytest.approx({0: 4.0, 1: 4.0})
    single = [ContourArea(0.0, p, 100.0 / (p + 1)) for p in (0, 1)]
    assert by_phase(ventricle_volumes(single, stack_positions_mm=[-8.0, 0.0, 8.0])) == pytest.approx({0: 0.8, 1: 0.4})
    assert by_phase(ventricle_volumes(single, slice_spacing_mm=5)) == pytest.approx({0: 0.5, 1: 0.25})


def test_sparse_phases_are_neither_diastole_nor_systole() -> None:
    areas = [*ventricle(), ContourArea(15.0, NUM_PHASES, 10.0)]
    result = ventricle_volumes(areas)
    assert result.end_systole_phase == 3
    assert [finding.text.split(":")[0] for finding in result.findings if finding.kind == "sparse_phase"] == ["phase 9"]
    assert ventricle_volumes(areas, end_systole=NUM_PHASES).end_systole_phase == NUM_PHASES


def test_slices_without_an_image_are_not_outside() -> None:
    """Phase 5 lacks the images of three outer slices: it would be the smallest by far."""
    whole = ventricle()
    number = len({area.position_mm for area in whole})
    base = sorted({area.position_mm for area in whole})[-3:]
    areas = [area for area in whole if area.phase != 5 or area.position_mm not in base]
    assert ventricle_volumes(areas).end_systole_phase == 5
    absent = [(position, 5) for position in base]
    result = ventricle_volumes(areas, absent=[*absent, (base[-1] + 30, 5), (base[0], NUM_PHASES + 3)])
    expected = ventricle_volumes(whole)
    unseen = result.phases[5].slices_unseen
    assert [result.slice_positions_mm[number] for number in unseen] == pytest.approx(base)
    assert not any(volume.slices_unseen for volume in result.phases if volume.phase != 5)
    chosen = ventricle_volumes(areas, absent=absent, end_systole=5)
    assert "its volume is too small, although it was chosen" in " ".join(each.text for each in chosen.findings)
    assert (result.end_diastole_phase, result.end_systole_phase) == (0, 3)
    assert result.ejection_fraction_percent == pytest.approx(expected.ejection_fraction_percent)
    (finding,) = [each for each in result.findings if each.kind in ("unseen_slice", "fewer_slices")]
    assert finding.kind == "unseen_slice"
    assert number == 9
    assert finding.text.startswith("phase 6: no image in outer slices 7, 8 and 9 of 9, where other phases have a conto")
    two = [area for area in areas if area.phase in (0, 5)]
    with pytest.raises(
        ValueError, match=r"1 usable phase\(s\) of 2, because images of outer slices are missing in phase 6:"
    ):
        ventricle_volumes(two, absent=absent)


@given(st.floats(0.2, 5), st.floats(-500, 500), st.randoms())
def test_scaling_translation_and_order(factor: float, shift: float, random: object) -> None:
    areas = ventricle()
    base = ventricle_volumes(areas)
    moved = [dataclasses.replace(a, position_mm=-a.position_mm + shift, area_mm2=a.area_mm2 * factor) for a in areas]
    random.shuffle(moved)  # type: ignore[attr-defined]
    after = ventricle_volumes(moved)
    assert after.end_diastolic_volume_ml == pytest.approx(factor * base.end_diastolic_volume_ml)
    assert after.ejection_fraction_percent == pytest.approx(base.ejection_fraction_percent)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"slices": 10, "num_slices": 12, "phases": 2, "num_phases": 20}, "slice 11 of 12, phase 3 of 20"),
        ({"slices": [0, 10], "num_slices": 12}, "slices 1 and 11 of 12"),
        ({"slices": (0, 1, 3)}, "slices 1, 2 and 4"),
        ({"phases": [0], "num_phases": 2}, "phase 1 of 2"),
        ({"num_slices": 12, "num_phases": 2}, ""),
    ],
)
def test_places_count_from_one(options: dict, words: str) -> None:
    assert stack_place(**options) == words


def test_all_texts_give_a_slice_the_same_number() -> None:
    """Of a stack whose first two slices have no contour, all findings and errors count all slices."""
    stack = [10.0 * s for s in (0, 1, 2, 3, 4, 6)]
    areas = [ContourArea(stack[s], p, 100.0) for p in (0, 1) for s in (2, 3, 4, 5) if (s, p) not in {(4, 0), (2, 1)}]
    volumes = ventricle_volumes(areas, stack)
    assert [each.text for each in volumes.findings] == [
        "20.0 mm between slices 5 and 6 of 6, usually 10.0 mm: 1 slice(s) may be missing",
        "phase 1: no contour in slice 5 of 6, interpolated",
        "phase 2: no contour in outer slice 3 of 6, taken as outside",
    ]
    assert (volumes.phases[0].slices_missing, volumes.phases[1].slices_beyond) == ((4,), (2,))
    walls = [circles(stack[2], 20, None), circles(stack[3], 20, 30), circles(stack[5], 20, 30)]
    wall = ventricle_wall(walls, stack)
    assert [each.text for each in wall.findings] == [
        "an endocardium but no epicardium in slice 3 of 6: mass is less certain",
        "no wall in slice 5 of 6 between others, its area was interpolated",
    ]
    assert (wall.slices_missing, len(wall.slice_thickness_mm)) == ((4,), 6)
    with pytest.raises(ValueError, match="two in slice 4 of 6, phase 2"):
        ventricle_volumes([*areas, ContourArea(stack[3], 1, 1.0)], stack)


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
        (ventricle(), {"end_diastole": 1, "end_systole": 1}, "two different phases, but got 1 as `end_diastole` and"),
        (ventricle(), {"end_systole": 99}, "`end_systole` to be the index of a phase with contours"),
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


def test_one_frame_a_slice_is_one_phase() -> None:
    assert find_phases([0, 1, 2], {"TriggerTime": [None, None, None]}, []) == [0, 0, 0]


def test_identifiers_name_phases() -> None:
    keys = {"TemporalPositionIdentifier": [1, 3, 3, 2, 1], "TriggerTime": [9, 8, 7, 6, 5]}
    assert find_phases([0, 0, 1, 1, 1], keys, []) == [0, 2, 2, 1, 0]


def test_identifiers_that_are_no_phases_are_passed_over() -> None:
    running = {"TemporalPositionIdentifier": [1, 2, 3, 4, 5, 6], "TriggerTime": [0, 10, 0, 11, 0, 12]}
    assert find_phases([0, 0, 1, 1, 2, 2], running, []) == [0, 1, 0, 1, 0, 1]
    constant = {"TemporalPositionIdentifier": [1, 1, 1, 1], "TriggerTime": [20, 10, 5, 9]}
    assert find_phases([0, 0, 1, 1], constant, []) == [1, 0, 0, 1]


@given(st.integers(6, 25), st.floats(0.9, 1.1), st.integers(0, 2**32 - 1))
def test_missing_frames_are_found_by_time(count: int, beat: float, seed: int) -> None:
    """Each slice has its own heart rate; a third one lacks two frames, whichever they are."""
    rng = np.random.default_rng(seed)
    kept = sorted(rng.permutation(count)[:-2].tolist())
    usual = [10 + 40.0 * phase for phase in range(count)]
    times = [*usual, *(1.01 * time for time in usual), *(beat * usual[phase] for phase in kept)]
    index = [0] * count + [1] * count + [2] * len(kept)
    phases = find_phases(index, {"TriggerTime": times}, [])
    assert phases == [*range(count), *range(count), *kept]


def test_single_frames_of_most_slices_need_a_phase_nearby() -> None:
    """End-systole of one slice beside end-diastole of all; one moment of all, and one slice twice."""
    index = [0, 1, 1, 2, 3]
    assert find_phases(index, {"TriggerTime": [12, 10, 310, 15, 8]}, []) == [0, 0, 1, 0, 0]
    with pytest.raises(ValueError, match="TriggerTime does not tell which phases are missing in some slices"):
        find_phases(index, {"TriggerTime": [12, 10, 13, 15, 8]}, [])


def test_missing_frames_are_found_by_number() -> None:
    findings: list[Finding] = []
    index = [0] * 4 + [1] * 3 + [2] * 4
    numbers = [5, 6, 7, 8, 1, 2, 4, 9, 10, 11, 12]
    keys = {"TriggerTime": [None] * 11, "InstanceNumber": numbers}
    assert find_phases(index, keys, findings) == [0, 1, 2, 3, 0, 1, 3, 0, 1, 2, 3]
    assert [finding.kind for finding in findings] == ["phases_by_number"]
    assert "TriggerTime is missing in 11 frame(s)" in findings[0].text


@pytest.mark.parametrize("beat", [1.0, 1.07])
def test_a_slice_that_was_acquired_twice_is_refused(beat: float) -> None:
    """Its frames would be phases of their own, and those of the other slices be spread over twice as many."""
    again = [
        dataclasses.replace(h, trigger_time_ms=beat * (h.trigger_time_ms or 0.0), instance_number=100 + n)
        for n, h in enumerate(headers()[2 * PHASES : 3 * PHASES])
    ]
    with pytest.raises(ValueError, match=r"but slice \d of 4 has 10 frames, and most others have 5: it was acquired"):
        group_frames([*headers(), *again])
    # Fewer frames are no repetition: copies of the ends of the cycle, and a copy that was interrupted.
    some = [header for n, header in enumerate(headers()) if n % PHASES in (0, 2) and n < 8 or n % PHASES == 0]
    assert group_frames(some).num_phases == 2
    cut = [header for n, header in enumerate(headers()) if n < PHASES or n % PHASES < 3]
    assert len(group_frames(cut).missing_frames) == (SLICES - 1) * (PHASES - 3)


def test_complete_slices_are_ranked_by_any_number() -> None:
    # Numbered phase by phase.
    assert find_phases([0, 1, 0, 1], {"InstanceNumber": [1, 2, 3, 4]}, []) == [0, 0, 1, 1]


@pytest.mark.parametrize(
    ("index", "numbers", "message"),
    [
        ([0, 0, 1, 1], [1, 1, 2, 3], "InstanceNumber repeats within a slice.*Drop duplicates"),
        ([0, 0, 1, 1], [1, None, 2, 3], "InstanceNumber is missing in 1 frame"),
        ([0, 1, 0, 1, 0], [1, 2, 3, 4, 5], "does not tell which phases are missing"),
        ([0, 1, 2, 2, 3], [1, 2, 3, 4, 5], "does not tell which phases are missing"),  # one phase, one slice twice
    ],
)
def test_undecidable(index: list[int], numbers: list[float | None], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        find_phases(index, {"InstanceNumber": numbers}, [])


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


def ellipse(a: float, b: float, number: int = 64, center: tuple[float, float] = (50.0, 40.0)) -> np.ndarray:
    angles = 2 * np.pi * np.arange(number) / number
    return np.array(center) + np.stack([a * np.cos(angles), b * np.sin(angles)], axis=1)


@given(st.floats(5, 30), st.floats(1, 15), st.floats(0.5, 2.0))
def test_concentric_circles(radius: float, thickness: float, spacing: float) -> None:
    outer = radius + thickness
    wall = measure_wall(3.0, ellipse(radius, radius), torch.tensor(ellipse(outer, outer)), (spacing, spacing))
    assert wall.position_mm == 3.0
    assert wall.thickness_mm == pytest.approx(thickness * spacing, rel=2e-3)
    assert wall.area_mm2 == pytest.approx(math.pi * (outer**2 - radius**2) * spacing**2, rel=3e-3)


@given(st.floats(8, 30), st.floats(0.4, 1.0), st.floats(1, 12))
def test_parallel_curve_of_an_ellipse(a: float, ratio: float, thickness: float) -> None:
    inner = ellipse(a, a * ratio, 256)
    outer = np.asarray(Polygon(inner).buffer(thickness, quad_segs=64).exterior.coords)[:-1]
    assert measure_wall(0.0, inner, outer, (1.0, 1.0)).thickness_mm == pytest.approx(thickness, rel=0.01)


def test_ellipses_that_are_not_parallel() -> None:
    inner, outer = ellipse(12, 8), ellipse(24, 14)
    nearest = np.mean([Polygon(outer).exterior.distance(Point(p)) for p in ellipse(12, 8, 720)])
    back = np.mean([Polygon(inner).exterior.distance(Point(p)) for p in ellipse(24, 14, 720)])
    thickness = measure_wall(0.0, inner, outer, (1.0, 1.0)).thickness_mm
    assert thickness is not None and nearest < thickness < back * 1.05


def test_spacing_turn_shift_and_steps_of_pixels() -> None:
    inner, outer = ellipse(20, 20, 200), ellipse(28, 28, 200)
    plain = measure_wall(0.0, inner, outer, (1.0, 1.0)).thickness_mm
    squeezed = measure_wall(0.0, inner / [1, 2], outer / [1, 2], (2.0, 1.0)).thickness_mm
    assert squeezed == pytest.approx(plain, rel=0.01)
    moved = measure_wall(0.0, np.roll(inner + 1000, 7, axis=0), outer[::-1] + 1000, (1.0, 1.0)).thickness_mm
    assert moved == pytest.approx(plain, rel=1e-3)
    chains = []
    for radius in (20, 28):  # as readers' files: neighbors on a grid of half pixels
        points = np.round(2 * ellipse(radius, radius, 2000)) / 2
        chains.append(points[(points != np.roll(points, 1, axis=0)).any(axis=1)])
    assert measure_wall(0.0, *chains, (1.0, 1.0)).thickness_mm == pytest.approx(8, rel=0.02)


def circles(position: float, inner: float | None, outer: float | None) -> WallSlice:
    contours = [None if radius is None else ellipse(radius, radius, 64) for radius in (inner, outer)]
    return measure_wall(position, *contours, (1.0, 1.0))


def test_stack_of_tubes() -> None:
    slices = [circles(10.0 * i, 20, 30) for i in range(8)]
    wall = ventricle_wall(reversed(slices))
    volume = 80 * math.pi * (30**2 - 20**2) / 1000
    assert wall.volume_ml == pytest.approx(volume, rel=2e-3)
    assert wall.mass_g == pytest.approx(MYOCARDIUM_G_PER_ML * wall.volume_ml) and MYOCARDIUM_G_PER_ML == 1.05
    assert wall.mean_thickness_mm == pytest.approx(10, rel=2e-3)
    assert wall.slice_thickness_mm == pytest.approx([10.0] * 8, rel=2e-3)
    assert wall.slice_heights_mm == (10.0,) * 8 and wall.findings == () and wall.slices_missing == ()
    assert json.loads(json.dumps(wall.as_dict()))["mass_g"] == wall.mass_g
    single = ventricle_wall(slices[:1], slice_spacing_mm=10)
    assert single.mass_g == pytest.approx(wall.mass_g / 8)
    assert ventricle_wall(slices[:1], stack_positions_mm=[0.0, 10.0]).mass_g == pytest.approx(single.mass_g)


def test_mean_thickness_is_that_of_the_middle_surface() -> None:
    wall = ventricle_wall([circles(0.0, 20, 30), circles(8.0, 6, 8)])
    expected = (math.pi * 500 + math.pi * 28) / (2 * math.pi * 25 + 2 * math.pi * 7)
    assert wall.mean_thickness_mm == pytest.approx(expected, rel=2e-3)


def test_missing_contours() -> None:
    slices = [circles(0.0, 20, 30), circles(10.0, 20, None), circles(20.0, None, 30), circles(30.0, 20, 30)]
    wall = ventricle_wall([*slices, WallSlice(40.0, None, None)])
    assert wall.slices_missing == (1, 2) and wall.slice_thickness_mm[1:3] == (None, None)
    assert wall.volume_ml == pytest.approx(40 * math.pi * 500 / 1000, rel=3e-3)  # interpolated
    assert wall.mean_thickness_mm == pytest.approx(10, rel=3e-3)
    assert {finding.kind: finding.text for finding in wall.findings} == {
        "no_epicardium": "an endocardium but no epicardium in slice 2 of 4: mass is less certain",
        "missing_wall": "no wall in slices 2 and 3 of 4 between others, its area was interpolated",
    }
    beyond = ventricle_wall([circles(0.0, 20, 30), circles(10.0, 20, 30), circles(20.0, 20, None)])
    assert beyond.volume_ml == pytest.approx(20 * math.pi * 500 / 1000, rel=3e-3)
    assert [finding.kind for finding in beyond.findings] == ["no_epicardium"]
    apex = ventricle_wall([circles(0.0, None, 10), circles(10.0, 20, 30), circles(20.0, 20, 30)])
    assert apex.volume_ml == pytest.approx((20 * 500 + 10 * 100) * math.pi / 1000, rel=3e-3)
    assert apex.slice_thickness_mm[0] is None and apex.findings == ()
    assert apex.mean_thickness_mm == pytest.approx(10, rel=3e-3)


@pytest.mark.parametrize("turned", [False, True])
def test_an_epicardium_alone_is_muscle_at_the_apex_and_none_at_the_base(turned: bool) -> None:
    radii = [(None, 31), (20, 30), (18, 28), (10, 22), (None, 12)]
    slices = [circles(10.0 * (-i if turned else i), *pair) for i, pair in enumerate(radii)]
    wall = ventricle_wall(slices)
    areas = [30**2 - 20**2, 28**2 - 18**2, 22**2 - 10**2, 12**2]
    assert wall.volume_ml == pytest.approx(10 * math.pi * sum(areas) / 1000, rel=3e-3)
    (finding,) = wall.findings
    base = "slice 5 of 5" if turned else "slice 1 of 5"
    assert finding.kind == "no_endocardium"
    assert finding.text == f"at the base an epicardium but no endocardium in {base}: mass is less certain"
    # With one cavity, or equal ones, no end is known to be the base.
    unknown = ventricle_wall([circles(0.0, None, 12), circles(10.0, 20, 30), circles(20.0, None, 12)])
    assert unknown.volume_ml == pytest.approx(10 * math.pi * (500 + 2 * 144) / 1000, rel=3e-3)


def test_crossed_contours_are_a_finding() -> None:
    wall = ventricle_wall([circles(0.0, 20, 30), circles(10.0, 30, 20), circles(20.0, 20, 30)])
    assert wall.slices_missing == (1,)
    assert [finding.kind for finding in wall.findings] == ["epicardium_not_around", "missing_wall"]


def test_refused() -> None:
    with pytest.raises(ValueError, match="at least one slice with a contour, but got none"):
        ventricle_wall([])
    with pytest.raises(ValueError, match="endocardial contour inside an epicardial one, but got none"):
        ventricle_wall([circles(0.0, 20, None), circles(10.0, 20, None)])
    with pytest.raises(ValueError, match="one entry for each slice of one phase"):
        ventricle_wall([circles(0.0, 20, 30), circles(0.1, 20, 30), circles(10.0, 20, 30)])
    with pytest.raises(ValueError, match="areas of at least 0, but got nan"):
        ventricle_wall([dataclasses.replace(circles(0.0, 20, 30), endocardium_area_mm2=math.nan)])
    with pytest.raises(ValueError, match=r"`vertices` to be \(K >= 3, 2\)"):
        measure_wall(0.0, np.zeros((2, 2)), None, (1.0, 1.0))
    with pytest.raises(ValueError, match="`spacing` to be two positive numbers"):
        measure_wall(0.0, None, ellipse(3, 3), (1.0, 0.0))


AREAS = np.array([[9.0, 6.0], [10, 5], [9, 4], [8, 3], [5, 2], [2, 1]])
WALLS = np.array([[9.0, 4.0], [9, 12], [10, 13], [10, 13], [9, 12], [8, 5]])


def test_a_thin_wall_at_the_base_is_no_ventricle() -> None:
    above = slices_above_base(AREAS, WALLS, 0.65)
    assert np.argwhere(above).tolist() == [[0, 1]]  # end-systole; the thin apex stays


def test_the_order_of_the_stack_does_not_matter() -> None:
    above = slices_above_base(AREAS[::-1], WALLS[::-1], 0.65)
    assert np.argwhere(above).tolist() == [[5, 1]]


def test_nothing_beyond_the_first_thick_wall() -> None:
    walls = WALLS.copy()
    walls[2, 1] = 1.0
    assert slices_above_base(AREAS, walls, 0.65)[:, 1].tolist() == [True, False, False, False, False, False]


def test_two_slices_at_most() -> None:
    walls = np.array([[1.0]] * 3 + [[10.0]] * 9)
    areas = np.linspace(10, 1, 12)[:, None]
    assert slices_above_base(areas, walls, 0.65)[:, 0].tolist() == [True] * 2 + [False] * 10


def test_slices_without_a_contour_are_passed_over() -> None:
    areas, walls = AREAS.copy(), WALLS.copy()
    areas[0, 1] = walls[0, 1] = np.nan
    walls[1, 1] = 3.0
    assert np.argwhere(slices_above_base(areas, walls, 0.65)).tolist() == [[1, 1]]


@pytest.mark.parametrize("rows", [0, 3])
def test_short_stacks_are_left_alone(rows: int) -> None:
    assert not slices_above_base(AREAS[:rows], WALLS[:rows], 1.0).any()


def test_a_share_of_zero_takes_nothing() -> None:
    assert not slices_above_base(AREAS, WALLS, 0.0).any()


def test_the_base_is_the_wide_end() -> None:
    assert find_base_end(AREAS) == 0 and find_base_end(AREAS[::-1]) == -1
    narrow_first = AREAS.copy()
    narrow_first[0] = 3  # partly out of the ventricle already
    assert find_base_end(narrow_first) == 0


@pytest.mark.parametrize(
    ("areas", "walls", "share"), [(AREAS[0], WALLS[0], 0.5), (AREAS, WALLS.T, 0.5), (AREAS, WALLS, 2)]
)
def test_refusals(areas: np.ndarray, walls: np.ndarray, share: float) -> None:
    with pytest.raises(ValueError, match="Expected `areas`, `walls` and `spreads`"):
        slices_above_base(areas, walls, share)


def test_what_counts_is_the_wall_less_the_spread() -> None:
    spreads = np.full(AREAS.shape, np.nan)
    spreads[0, 0] = 3.1  # 9 - 1.5 * 3.1 is less than half of the median, 9
    assert np.argwhere(slices_above_base(AREAS, WALLS, 0.5, spreads)).tolist() == [[0, 0], [0, 1]]
    spreads[0, 0] = 2.9
    assert np.argwhere(slices_above_base(AREAS, WALLS, 0.5, spreads)).tolist() == [[0, 1]]


def test_what_lies_above_the_base_at_end_diastole_does_so_in_all_phases() -> None:
    """The base moves toward the apex in systole; AREAS are largest in the first phase."""
    walls = WALLS.copy()
    walls[0] = 1.0, 9.0
    assert np.argwhere(slices_above_base(AREAS, walls, 0.5)).tolist() == [[0, 0], [0, 1]]
    walls[0] = 9.0, 1.0
    assert np.argwhere(slices_above_base(AREAS, walls, 0.5)).tolist() == [[0, 1]]
    walls[0], areas = [1.0, 9.0], AREAS.copy()
    areas[0, 1] = np.nan  # without a contour there is nothing to leave out
    assert np.argwhere(slices_above_base(areas, walls, 0.5)).tolist() == [[0, 0]]


def test_a_slice_that_is_not_plausible_is_no_base() -> None:
    plausible = np.ones(AREAS.shape, dtype=bool)
    plausible[1] = plausible[2, 0] = False  # next to the base at end-systole, where the first slice is left out
    above = slices_above_base(AREAS, WALLS, 0.65, plausible=plausible)
    assert np.argwhere(above).tolist() == [[0, 1], [1, 1]]


@pytest.mark.parametrize("turned", [False, True])
def test_an_apex_that_no_two_networks_see_alike(turned: bool) -> None:
    spreads = np.full(AREAS.shape, 1.0)
    spreads[5, 1] = 3.4  # 1.5 times of it are more than the wall, 5
    spreads[4, 0] = spreads[0, 0] = 9.0  # neither the last slice nor the base is looked at
    areas = 100 * AREAS  # radii from 5.6
    arrays = [array[::-1] if turned else array for array in (areas, WALLS, spreads)]
    assert np.argwhere(slices_below_apex(*arrays)).tolist() == [[0 if turned else 5, 1]]
    areas[5, 0] = np.pi * 2.8**2  # the spread is 1.0
    assert np.argwhere(slices_below_apex(areas, WALLS, spreads)).tolist() == [[5, 0], [5, 1]]
    areas[5, 0] = np.pi * 2.9**2
    assert np.argwhere(slices_below_apex(areas, WALLS, spreads)).tolist() == [[5, 1]]
    assert not slices_below_apex(AREAS, WALLS, np.full(AREAS.shape, np.nan)).any()
    assert not slices_below_apex(AREAS[:3], WALLS[:3], spreads[:3] + 9).any()


WIDTHS = np.array([[0.65, 0.55], [0.65, 0.4], [0.65, 0.4], [0.65, 0.3], [0.6, 0.3], [0.5, 0.2]])
OUTER = np.array([[20.0, 20], [20, 20], [20, 20], [18, 18], [15, 15], [9, 9]])


def too_wide(widths: np.ndarray, multiple: float = 1.75) -> list[list[int]]:
    found = cavities_too_wide(OUTER * widths**2, OUTER, multiple)
    turned = cavities_too_wide((OUTER * widths**2)[::-1], OUTER[::-1], multiple)
    assert found.tolist() == turned[::-1].tolist()
    return np.argwhere(found).tolist()  # type: ignore[no-any-return]


def test_cavities_that_cannot_be_as_wide() -> None:
    """At end-systole, the second phase: two slices next to each other, larger than at end-diastole; then one alone."""
    assert too_wide(WIDTHS) == []
    widths = WIDTHS.copy()
    widths[3:5, 1] = 0.75, 0.7  # the median of the phase is 0.475 then
    assert too_wide(widths) == []
    widths[:3, 1] = 0.4, 0.35, 0.35
    assert too_wide(widths) == [[3, 1], [4, 1]]
    widths[3:5, 1] = 0.64, 0.59  # smaller than at end-diastole: two slices that agree
    assert too_wide(widths, 1.6) == []
    widths[4, 1] = 0.34
    assert too_wide(widths, 1.82) == [[3, 1]]
    assert too_wide(widths, 1.84) == []


def test_the_ends_of_a_stack_may_be_wider_at_the_base_only() -> None:
    """The atrium widens the first slice, and the cavity ends at the apex."""
    widths = WIDTHS.copy()
    widths[0, 1], widths[5, 1] = 0.8, 0.6
    assert too_wide(widths) == [[5, 1]]
    widths[4, 1] = np.nan  # not outlined: nothing to compare the last one with
    assert too_wide(widths) == []
    widths[4, 1], widths[1:3, 1] = 0.3, np.nan
    assert too_wide(widths) == [[5, 1]]
    widths[3, 1] = np.nan  # three slices are too few
    assert too_wide(widths) == []


def test_a_slice_beside_cavities_that_are_too_wide_is_not_compared_with_those_beyond() -> None:
    widths = WIDTHS.copy()
    widths[:, 1] = 0.45, 0.2, 0.11, 0.72, 0.68, 0.25  # a slit, of which two contours are half way to the epicardium
    areas = OUTER * widths**2
    assert np.argwhere(cavities_too_wide(areas, OUTER, 1.75)).tolist() == [[3, 1], [4, 1]]


def test_no_cavity_is_too_wide_without_contours() -> None:
    nothing = np.full((6, 2), np.nan)
    assert not cavities_too_wide(nothing, nothing, 1.5).any()
    for areas, outer, multiple in ((OUTER[0], OUTER[0], 1.5), (OUTER, OUTER.T, 1.5), (OUTER, OUTER, 0.9)):
        with pytest.raises(ValueError, match="Expected `areas` and `outer_areas` of one shape"):
            cavities_too_wide(areas, outer, multiple)


# A complete ventricle from the base, 10 mm a slice, 50 mm wide: at end-systole the first slice shows the atrium.
PROFILE = (
    math.pi * 25**2 * np.array([[0.8, 0.95, 1, 0.97, 0.9, 0.7, 0.5, 0.2], [np.nan, 0.6, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1]])
)
AROUND = math.pi * (np.sqrt(PROFILE / math.pi) + np.array([[8.0], [12.0]])) ** 2


def stack_reasons(chosen: slice, turned: bool = False, systole: int | None = 1, outer: bool = True) -> list[str]:
    """Reasons of the finding for some slices of the complete ventricle."""
    step = -1 if turned else 1
    areas = PROFILE.T[chosen][::step]
    around = AROUND.T[chosen][::step] if outer else np.full_like(areas, np.nan)
    findings = incomplete_stack(areas, around, [10.0 * s for s in range(len(areas))], 0, systole)
    assert [finding.kind for finding in findings] in ([], ["incomplete_stack"])
    start = "slices of the ventricle may be missing, which makes volumes, mass and ejection fraction wrong: "
    return [reason for each in findings for reason in each.text.removeprefix(start).split("; ")]


@pytest.mark.parametrize("turned", [False, True])
def test_a_stack_that_ends_before_the_ventricle_does(turned: bool) -> None:
    assert stack_reasons(slice(None), turned) == []
    assert [reason.split(",")[0] for reason in stack_reasons(slice(2, 5), turned)] == [
        f"slice {1 if turned else 3} of 3",
        f"slice {3 if turned else 1} of 3",
        "the 3 slice(s) outlined at end-diastole are 30 mm high",
    ]
    apex, base = (stack_reasons(part, turned) for part in (slice(None, -1), slice(2, None)))
    assert apex == [
        f"slice {1 if turned else 7} of 7, the last one toward the apex, has 50 % of the largest cavity at "
        "end-diastole, in complete stacks less than 45 %"
    ]
    assert base == [
        f"slice {6 if turned else 1} of 6, the last one toward the base, shows a full ventricle at end-diastole and "
        "end-systole"
    ]


def test_what_a_stack_does_not_tell() -> None:
    """The base is told by the wall, and by both phases."""
    assert stack_reasons(slice(2, None), outer=False) == stack_reasons(slice(2, None), systole=None) == []
    thin = AROUND.T[2:].copy()
    thin[0, 1] = PROFILE[1, 2] * 1.1
    assert incomplete_stack(PROFILE.T[2:], thin, [10.0 * s for s in range(6)], 0, 1) == []
    assert incomplete_stack(np.full((3, 2), np.nan), np.full((3, 2), np.nan), [0, 10, 20], 0) == []


def test_an_apex_that_is_imaged_but_not_outlined() -> None:
    areas, around = PROFILE.T.copy(), AROUND.T.copy()
    areas[6:, 0], around[6:, 0] = np.nan, np.nan
    (finding,) = incomplete_stack(areas, around, [10.0 * s for s in range(8)], 0, 1)
    assert "slice 6 of 8, the last one toward the apex that is outlined, has 70 %" in finding.text


@pytest.mark.parametrize(
    ("shapes", "phases", "message"),
    [
        (
            ((3, 2), (3, 1), 3),
            (0, 1),
            r"`areas` and `outer_areas` \(S, P\) and `positions_mm` \(S,\), but got \(3, 2\)",
        ),
        (((3, 2), (3, 2), 2), (0, 1), "and 2 positions"),
        (((3, 2), (3, 2), 3), (0, 2), "indices of phases from 0 to 1, but got 2"),
        (((3, 2), (3, 2), 3), (-1, None), "indices of phases from 0 to 1, but got -1"),
    ],
)
def test_stacks_of_other_shapes(shapes: tuple, phases: tuple[int, int | None], message: str) -> None:
    areas, outer, number = shapes
    with pytest.raises(ValueError, match=message):
        incomplete_stack(np.ones(areas), np.ones(outer), [10.0 * s for s in range(number)], *phases)
