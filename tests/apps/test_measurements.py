# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from monai_acdr.apps.inputs import Frame, make_image, read_inputs
from monai_acdr.apps.measurements import find_grid, measure_contours
from monai_acdr.data import read_contour
from monai_acdr.dicom import BREAST_MASS, LV_ENDOCARDIUM
from monai_acdr.geometry import circle
from monai_acdr.measures import FrameHeader

LV = [LV_ENDOCARDIUM]
CIRCLE = circle(torch.tensor([50.0, 50.0]), torch.tensor(10.0), 720).numpy()


def test_a_beating_ventricle(phantom: Path, study: Path) -> None:
    """Volumes of the true contours: areas times the slices' distance, by hand."""
    inputs = read_inputs(study)
    grid, reason = find_grid(inputs.frames)
    assert grid is not None
    assert not reason
    numbers = {int(source.path.stem): index for index, source in enumerate(inputs.sources)}
    contours: list[np.ndarray | None] = [None] * 12
    for file in phantom.glob("contourfiles/*/i-contours/*.txt"):
        contours[numbers[int(file.name.split("-")[2])]] = read_contour(file).numpy()
    measured = measure_contours(inputs.frames, [None if c is None else c[None] for c in contours], LV, grid)
    assert measured.volumes is not None
    step = abs(grid.positions_mm[1] - grid.positions_mm[0])
    volumes = {}
    for phase in {grid.phase[i] for i, contour in enumerate(contours) if contour is not None}:
        areas = [
            shape.area_mm2 for i, (shape,) in enumerate(measured.shapes) if shape is not None and grid.phase[i] == phase
        ]
        volumes[phase] = sum(areas) * step / 1000
    assert measured.volumes.end_diastolic_volume_ml == pytest.approx(max(volumes.values()), rel=1e-6)
    assert measured.volumes.end_systolic_volume_ml == pytest.approx(min(volumes.values()), rel=1e-6)


@pytest.mark.parametrize(
    ("thicknesses", "kind"), [((8, 8), "gap"), ((8, 6), "slice_thickness"), ((8, None), "slice_thickness")]
)
def test_thickness_that_is_not_one(
    own_study: Path, edit: Callable[..., Path], thicknesses: tuple[float | None, ...], kind: str
) -> None:
    """Gaps are looked for where all slices have one thickness, and volumes come without."""
    for index, file in enumerate(sorted(own_study.iterdir())):
        edit(file, SliceThickness=thicknesses[index % 2])
    inputs = read_inputs(own_study)
    grid, _ = find_grid(inputs.frames)
    measured = measure_contours(inputs.frames, [CIRCLE[None]] * 12, LV, grid)
    assert measured.volumes is not None
    assert {"gap", "slice_thickness"} & {finding.kind for finding in measured.findings} == {kind}


def test_one_slice_has_no_volume(study: Path) -> None:
    """The finding speaks of the input, not of an argument of a function."""
    frames = read_inputs(study).frames[:4]
    grid, _ = find_grid(frames)
    assert grid is not None and len(grid.positions_mm) == 1
    measured = measure_contours(frames, [CIRCLE[None]] * 4, LV, grid)
    texts = {finding.kind: finding.text for finding in measured.findings}
    assert measured.volumes is None and "give the folder with all of its slices" in texts["no_volumes"]


def test_frames_without_spacing_are_not_left_out_of_volumes(study: Path) -> None:
    """The outer slice would count as outside of the ventricle, and the volume be too small."""
    frames = read_inputs(study).frames
    grid, _ = find_grid(frames)
    frames[0] = replace(frames[0], spacing=None)
    for phases in ([0, 1, 2, 3], [0]):
        some = [frame for frame, phase in zip(frames, grid.phase, strict=True) if phase in phases]  # type: ignore[union-attr]
        measured = measure_contours(some, [CIRCLE[None]] * len(some), LV, find_grid(some)[0])
        texts = {finding.kind: finding.text for finding in measured.findings}
        assert measured.volumes is None and "incomplete_stack" not in texts
        assert texts["no_volumes"].startswith(
            f"the pixel spacing of 1 outlined frame(s), such as {frames[0].name}, is not known, and volumes would lack"
        )
    assert measure_contours(frames, [None, *[CIRCLE[None]] * 11], LV, grid).volumes is not None


def test_one_phase_has_at_most_one_volume(study: Path) -> None:
    frames = read_inputs(study).frames
    whole, _ = find_grid(frames)
    assert whole is not None
    frames = [frame for frame, phase in zip(frames, whole.phase, strict=True) if phase == 2]
    grid, _ = find_grid(frames)
    assert grid is not None and (grid.num_slices, grid.num_phases) == (3, 1)
    measured = measure_contours(frames, [CIRCLE[None]] * 3, LV, grid)
    texts = {finding.kind: finding.text for finding in measured.findings}
    volume = 3 * math.pi * 13**2 * float(np.diff(grid.positions_mm)[0]) / 1000
    assert measured.volumes is None and "incomplete_stack" in texts
    assert texts["no_volumes"] == (
        "there is one phase: end-systolic volume and ejection fraction need all phases of the cycle; the volume is "
        f"{volume:.1f} mL, the end-diastolic one if the images show end-diastole"
    )
    nothing = measure_contours(frames, [None] * 3, LV, grid).findings
    assert [finding.kind for finding in nothing] == ["no_volumes"] and "the volume is" not in nothing[0].text


def test_two_phases_may_be_any(study: Path) -> None:
    frames = read_inputs(study).frames
    whole, _ = find_grid(frames)
    assert whole is not None
    frames = [frame for frame, phase in zip(frames, whole.phase, strict=True) if phase < 2]
    grid, _ = find_grid(frames)
    measured = measure_contours(frames, [CIRCLE[None] * (1 + 0.1 * (i % 2)) for i in range(6)], LV, grid)
    assert measured.volumes is not None
    texts = {finding.kind: finding.text for finding in measured.findings}
    assert texts["few_phases"].startswith("there are 2 phases: the larger volume counts as end-diastolic")
    assert "few_phases" not in {
        f.kind for f in measure_contours(read_inputs(study).frames, [CIRCLE[None]] * 12, LV, whole).findings
    }


def test_damaged_files_of_two_phases() -> None:
    """The first slice lacks a phase and another slice all images: there are no volumes, and the findings agree."""
    places = [(height, phase) for height in (0.0, 10.0, 30.0, 40.0) for phase in (0, 1)][1:]
    frames = [
        Frame(
            f"{height:g}-{phase}",
            make_image(np.ones((100, 100)), torch.eye(4, dtype=torch.float64)),
            (1.0, 1.0),
            header=FrameHeader((0.0, 0.0, height), (1.0, 0.0, 0.0, 0.0, 1.0, 0.0), temporal_position=phase),
        )
        for height, phase in places
    ]
    grid, reason = find_grid(frames)
    assert grid is not None and (grid.num_slices, grid.num_phases) == (4, 2), reason
    measured = measure_contours(frames, [CIRCLE[None]] * 7, LV, grid)
    texts = {finding.kind: finding.text for finding in measured.findings}
    assert measured.volumes is None and "few_phases" not in texts
    assert texts["no_volumes"].endswith(
        "got 1 usable phase(s) of 2, because images of outer slices are missing in phase 1: complete the series."
    )
    assert texts["missing_slice"] == "20.0 mm between slices 2 and 3 of 4, usually 10.0 mm: 1 slice(s) may be missing"
    assert texts["missing_frame"].startswith("1 of the 8 frames of 4 slice(s) and 2 phases are missing")
    alone = [frame for frame, (_, phase) in zip(frames, places, strict=True) if phase == 1]
    grid, _ = find_grid(alone)
    kinds = {finding.kind for finding in measure_contours(alone, [CIRCLE[None]] * 4, LV, grid).findings}
    assert {"missing_slice", "no_volumes"} <= kinds


def test_circles(study: Path) -> None:
    inputs = read_inputs(study)
    grid, _ = find_grid(inputs.frames)
    measured = measure_contours(inputs.frames, [CIRCLE[None]] * 6 + [None] * 6, [BREAST_MASS], grid)
    assert measured.volumes is None
    assert measured.shapes[11] == (None,)
    assert measured.shapes[0][0].area_mm2 == pytest.approx(math.pi * 13**2, rel=1e-4)
    only_one = measure_contours(inputs.frames, [CIRCLE[None]] + [None] * 11, LV, grid)
    assert only_one.volumes is None
    assert [finding.kind for finding in only_one.findings] == ["no_volumes"]


def test_crossings_are_reported(study: Path) -> None:
    frames = read_inputs(study).frames[:1]
    bow = np.array([[10.0, 10], [30, 30], [30, 10], [10, 30]])
    (finding,) = measure_contours(frames, [bow[None]], [BREAST_MASS], None).findings
    assert (finding.kind, finding.text) == ("self_crossing", f"frame {frames[0].name}: the contour crosses itself")


def test_without_a_place() -> None:
    frame = Frame("x", make_image(np.zeros((80, 80)), torch.eye(4)), None)
    grid, reason = find_grid([frame])
    assert grid is None
    assert reason == "these images have no position in a stack"
    measured = measure_contours([frame], [CIRCLE[None]], LV, grid)
    assert measured.shapes == ((None,),)
    assert measured.volumes is None
