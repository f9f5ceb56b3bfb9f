# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Contours and phases that a review refuses, and those that it keeps and shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from monai_acdr.apps.review.contours import Contour, check_contours, check_phases, frame_problems
from monai_acdr.dicom import LV_ENDOCARDIUM, LV_EPICARDIUM
from monai_acdr.geometry import is_simple
from monai_acdr.measures import CineGrid

SIZE = (40, 60)
STRUCTURES = (LV_ENDOCARDIUM, LV_EPICARDIUM)
SQUARE = [[10, 10], [20, 10], [20, 20], [10, 20]]
EIGHT = [[10, 10], [20, 20], [20, 10], [10, 20]]


def contour(vertices: Any, structure: int = 0, **fields: Any) -> Contour:
    return Contour(structure, np.asarray(vertices, dtype=np.float64), **fields)


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=3, max_size=9))
def test_crossing_is_that_of_the_geometry(points: list[tuple[int, int]]) -> None:
    if len(set(points)) < 3:  # a line or a point is refused before
        return
    vertices = np.array(points, dtype=np.float64)
    assert contour(vertices).crosses == (not bool(is_simple(torch.from_numpy(vertices))))


@pytest.mark.parametrize(
    ("vertices", "message"),
    [
        (EIGHT, "does not cross or touch itself, but LV endocardium does: drag it less far"),
        ([[5, 5], [15, 5], [15, 15], [10, 5], [5, 15]], "does not cross or touch itself"),
        ([[10, 10]] * 5, "an area, but LV endocardium has 1 different vertices"),
        ([[10, 10], [20, 20], [10, 10], [20, 20]], "an area, but LV endocardium has 2 different vertices"),
        ([[10, 10], [20, 20], [30, 30]], "an area, but LV endocardium has 3 different vertices in one line"),
        (np.array(SQUARE) + [60, 0], "in the image, 60 x 40 pixels, but LV endocardium lies outside of it"),
        (np.array(SQUARE) + [0, -1e5], "in the image, 60 x 40 pixels, but LV endocardium lies outside of it"),
        ([[-50, -5], [-5, -50], [-50, -50]], "lies outside of it: put it where the image is"),
    ],
)
def test_contours_that_no_reader_means_are_refused(vertices: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_contours([contour(vertices)], [contour(SQUARE)], SIZE, STRUCTURES)


def test_contours_that_are_there_already_stay_as_they_are() -> None:
    eight, outside = contour(EIGHT), contour(np.array(SQUARE) - 30)
    check_contours(
        [eight, outside, contour(SQUARE, 1)], [contour(EIGHT), contour(np.array(SQUARE) - 30)], SIZE, STRUCTURES
    )
    original = contour([[1, 1], [2, 2], [3, 3]], original=0)
    check_contours([original], [], SIZE, STRUCTURES)  # restored
    check_contours([contour(np.array(EIGHT) + 1)], [eight], SIZE, STRUCTURES)  # mended step by step
    with pytest.raises(ValueError, match="LV epicardium does"):
        check_contours([contour(np.array(EIGHT) + 1, 1)], [eight], SIZE, STRUCTURES)


def test_an_epicardium_with_a_dent_is_a_problem() -> None:
    dented = [[10, 10], [20, 10], [15, 12], [20, 20], [10, 20]]
    for index, problems in ((0, []), (1, ["LV epicardium is not convex, as that of a ventricle is"])):
        assert frame_problems([contour(dented, index)], SIZE, STRUCTURES) == problems
    assert frame_problems([contour(dented, 1, hole=True)], SIZE, STRUCTURES) == []


def test_problems_are_said_in_words() -> None:
    half = contour([[-10, 10], [10, 10], [10, 20], [-10, 20]], 1)
    found = frame_problems([contour(EIGHT), half, contour(SQUARE, 1)], SIZE, STRUCTURES, (0, 1))
    assert found == [
        "LV endocardium crosses or touches itself",
        "50 % of LV epicardium outside of the image",
        "2 contours of LV epicardium: counted as none in the volumes",
    ]
    assert frame_problems([contour(SQUARE), contour(np.array(SQUARE) + 1)], SIZE, STRUCTURES) == []
    same = [contour(SQUARE), contour(SQUARE, 1), contour(SQUARE)]
    assert frame_problems(same, SIZE, STRUCTURES) == ["2 identical contours of LV endocardium: delete all but one"]
    assert frame_problems(same, SIZE, STRUCTURES, (0, 1)) == [
        "2 contours of LV endocardium: counted as none in the volumes"
    ]
    assert frame_problems([contour([[1, 1], [2, 2], [3, 3]])], SIZE, STRUCTURES) == ["LV endocardium encloses no area"]


GRID = CineGrid(
    slice_index=(0, 0, 0, 1, 1, 1, 1),
    phase=(0, 1, 3, 0, 1, 2, 3),
    positions_mm=(0.0, 8.0),
    times_ms=(None,) * 4,
    missing_frames=((0, 2),),
    findings=(),
)
"""Two slices, four phases; the first slice has no image in phase 2."""


@pytest.mark.parametrize(
    ("phases", "message"),
    [
        ((0, 7), "Expected indices of phases, 0 to 3, or null, but got 7"),
        ((-1, None), "Expected indices of phases, 0 to 3, or null, but got -1"),
        ((1, 1), "two different phases, but phase 2 of 4 would be end-diastole and end-systole"),
        ((0, 3), "contours of the left ventricle, but phase 4 of 4 has none: draw them"),
        ((0, 2), r"images of all slices, but phase 3 of 4 has none of slice 1 of 2, where other phases have a contour"),
    ],
)
def test_phases_that_cannot_be_end_diastole_and_systole_are_refused(phases: Sequence[int | None], message: str) -> None:
    areas = {0: 100.0, 1: 60.0, 3: 90.0, 4: 50.0, 5: 40.0}
    with pytest.raises(ValueError, match=message):
        check_phases(phases, GRID, areas)
    check_phases((0, 1), GRID, areas)
    check_phases((None, None), None, {})
    check_phases((2, None), GRID, {3: 90.0, 4: 50.0, 5: 40.0})  # no phase has a contour where phase 2 has no image


def test_phases_need_a_stack_with_contours() -> None:
    for grid, areas in ((None, {0: 1.0}), (GRID, {})):
        with pytest.raises(ValueError, match="Expected a short-axis cine with contours of the left ventricle"):
            check_phases((0, None), grid, areas)
