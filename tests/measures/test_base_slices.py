# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import numpy as np
import pytest

from monai_acdr.measures import find_base_end, slices_above_base, slices_below_apex

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


def test_what_counts_is_the_wall_less_two_spreads() -> None:
    spreads = np.full(AREAS.shape, np.nan)
    spreads[0, 0] = 2.6  # 9 - 5.2 is less than half of the median, 9
    assert np.argwhere(slices_above_base(AREAS, WALLS, 0.5, spreads)).tolist() == [[0, 0], [0, 1]]
    spreads[0, 0] = 2.2
    assert np.argwhere(slices_above_base(AREAS, WALLS, 0.5, spreads)).tolist() == [[0, 1]]


@pytest.mark.parametrize("turned", [False, True])
def test_an_apex_that_no_two_networks_see_alike(turned: bool) -> None:
    spreads = np.full(AREAS.shape, 1.0)
    spreads[5, 1] = 2.6  # the wall is 5
    spreads[4, 0] = spreads[0, 0] = 9.0  # neither the last slice nor the base is looked at
    arrays = [array[::-1] if turned else array for array in (AREAS, WALLS, spreads)]
    assert np.argwhere(slices_below_apex(*arrays)).tolist() == [[0 if turned else 5, 1]]
    assert not slices_below_apex(AREAS, WALLS, np.full(AREAS.shape, np.nan)).any()
    assert not slices_below_apex(AREAS[:3], WALLS[:3], spreads[:3] + 9).any()
