# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from monai_acdr.apps.monailabel.outlining import Prompts, parse_prompts, prompts_by_slice

SHAPE = (100, 80, 5)


def test_nothing() -> None:
    prompts = parse_prompts({"foreground": [], "background": None, "roi": [], "slice": None}, SHAPE)
    assert prompts == Prompts() and not prompts.any
    assert [part.slice for part in prompts_by_slice(prompts, 5)] == [0, 1, 2, 3, 4]


def test_voxels_are_centers_of_pixels() -> None:
    (part,) = prompts_by_slice(parse_prompts({"foreground": [[10, 20, 3]], "background": [[0, 79, 3]]}, SHAPE), 5)
    assert part.slice == 3 and part.box is None
    assert part.foreground.tolist() == [[10.5, 20.5]] and part.background.tolist() == [[0.5, 79.5]]
    assert part.foreground.dtype == torch.float64


@given(i=st.integers(0, 98), j=st.integers(0, 78), width=st.integers(1, 99), height=st.integers(1, 79), data=st.data())
def test_pairs_of_a_box_come_in_any_order(i: int, j: int, width: int, height: int, data: Any) -> None:
    pairs = [(i, i + width), (j, j + height), (1, 3)]
    turned = [pair[::-1] if data.draw(st.booleans()) else pair for pair in pairs]
    prompts = parse_prompts({"roi": [value for pair in turned for value in pair]}, SHAPE)
    parts = prompts_by_slice(prompts, 5)
    assert [part.slice for part in parts] == [1, 2, 3]
    assert {part.box for part in parts} == {(i + 0.5, j + 0.5, i + width + 0.5, j + height + 0.5)}


def test_a_box_may_reach_beyond_the_image_and_have_no_depth() -> None:
    assert parse_prompts({"roi": [-5, 50, -9, 200, -3, 99]}, SHAPE).box == (-5, 50, -9, 200, 0, 4)
    assert parse_prompts({"roi": [5, 50, 9, 20, 2, 2]}, SHAPE).box == (5, 50, 9, 20, 2, 2)
    assert parse_prompts({"roi": [5, 50, 9, 20]}, SHAPE).box == (5, 50, 9, 20, 0, 4)
    (part,) = prompts_by_slice(parse_prompts({"roi": [5, 50, 9, 20, 0, 4], "slice": 2}, SHAPE), 5)
    assert part.slice == 2 and part.box is not None


def test_points_of_other_slices_are_left_out_when_a_slice_is_named() -> None:
    request = {"foreground": [[1, 1, 0], [2, 2, 2]], "background": [[3, 3, 4]], "slice": 2}
    prompts = parse_prompts(request, SHAPE)
    assert (prompts.foreground, prompts.background) == (((2.0, 2.0, 2),), ())


def test_points_of_two_dimensions_and_phases() -> None:
    assert parse_prompts({"foreground": [[1, 2]]}, (100, 80)).foreground == ((1.0, 2.0, 0),)
    assert parse_prompts({"phase": 3}, (*SHAPE, 4)).phase == 3
    assert parse_prompts({"phase": "all"}, (*SHAPE, 4)).phase is None


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"foreground": [[100, 0, 0]]}, r"inside the image of \(100, 80, 5\) voxels.* but got \[100, 0, 0\]"),
        ({"background": [[0, 0, -1]]}, "Expected a background point inside"),
        ({"foreground": [[0]]}, "to be 2 or 3 numbers"),
        ({"foreground": [[0, float("nan"), 0]]}, "2 or 3 finite numbers"),
        ({"foreground": [[10**400, 0, 0]]}, "2 or 3 finite numbers"),
        ({"roi": [-(10**400), 10**400, 0, 5, 0, 1]}, "4 or 6 finite numbers"),
        ({"slice": 10**400}, "Expected `slice` from 0 to"),
        ({"foreground": [[True, 0, 0]]}, "2 or 3 finite numbers"),
        ({"foreground": {"a": 1}}, "to be a list of at most 1000 points"),
        ({"foreground": [[0, 0, 0]] * 1001}, "to be a list of at most 1000 points"),
        ({"roi": [1, 2, 3]}, "`roi` to be 4 or 6 numbers"),
        ({"roi": [5, 5, 1, 9, 0, 1]}, "to span at least a column and a row"),
        ({"roi": [100, 200, 0, 10, 0, 1]}, "to meet the image"),
        ({"roi": [0, 10, 0, 10, 9, 12]}, "to meet the image"),
        ({"slice": 5}, "Expected `slice` from 0 to 4, but got 5"),
        ({"slice": 1.5}, "Expected `slice` to be a whole number"),
        ({"slice": float("inf")}, "Expected `slice` to be a whole number"),
        ({"slice": "x"}, "Expected `slice` to be a whole number"),
        (
            {"slice": 1, "foreground": [[0, 0, 2]]},
            r"Expected a point on slice 2 of \d+, but the points are on slice 3: `slice` is the index k of the points",
        ),
        ({"slice": 1, "roi": [0, 9, 0, 9, 2, 3]}, "Expected `slice` within the box, indices 2 to 3, but got 1"),
        ({"phase": 1}, "Expected `phase` from 0 to 0"),
    ],
)
def test_errors(request_: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_prompts(request_, SHAPE)
