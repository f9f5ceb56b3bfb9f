# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The plot of volume over phase."""

from __future__ import annotations

import numpy as np
import pytest

from monai_acdr.visualize.volume_curve import BOTTOM, COLORS, LEFT, RIGHT, TOP, round_ticks, volume_curve

VOLUMES = [120.0, 100.0, 60.0, 50.0, 80.0, 110.0]


def colored(picture: np.ndarray, color: tuple[int, int, int]) -> np.ndarray:
    """(H, W) bool: where the picture has exactly this colour."""
    return (picture == np.array(color, dtype=np.uint8)).all(axis=-1)


def test_curve_goes_through_the_volumes() -> None:
    size = (300, 500)
    picture = volume_curve(VOLUMES, size=size)
    assert picture.shape == (*size, 3)
    assert picture.dtype == np.uint8
    line = colored(picture, COLORS[0])
    # Where the axes say: the largest tick is 150 mL, above 1.12 times the largest volume.
    for phase, volume in enumerate(VOLUMES):
        x = LEFT + phase / 5 * (size[1] - LEFT - RIGHT)
        y = size[0] - BOTTOM - volume / 150 * (size[0] - TOP - BOTTOM)
        assert line[round(y) - 1 : round(y) + 2, round(x) - 1 : round(x) + 2].any()
    assert not line[:TOP].any()
    assert not line[:, : LEFT - 5].any()


def test_missing_volumes_interrupt_the_line() -> None:
    size = (300, 500)
    line = colored(volume_curve([100.0, 100.0, None, float("nan"), 100.0, 100.0], size=size), COLORS[0])
    columns = np.flatnonzero(line.any(axis=0))
    assert np.diff(columns).max() > 0.5 * (size[1] - LEFT - RIGHT) * 3 / 5


def test_times_and_marks_change_the_picture() -> None:
    plain = volume_curve(VOLUMES)
    uneven = volume_curve(VOLUMES, times_ms=[0, 10, 20, 30, 40, 500])
    assert (plain != uneven).any()
    assert (volume_curve(VOLUMES, times_ms=[0, 1, None, 3, 4, 5]) == plain).all()
    assert (volume_curve(VOLUMES, end_diastole=0, end_systole=3) != plain).any()
    assert (volume_curve(VOLUMES) == plain).all()


def test_curves_by_name_have_their_own_colors() -> None:
    picture = volume_curve({"predicted": VOLUMES, "reference": [v + 5 for v in VOLUMES]})
    assert colored(picture, COLORS[0]).any()
    assert colored(picture, COLORS[1]).any()


def test_one_phase_and_no_volume_at_all_can_be_drawn() -> None:
    assert colored(volume_curve([70.0]), COLORS[0]).any()
    assert colored(volume_curve([0.0, 0.0]), COLORS[0]).any()


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [(0, 134, [0, 50, 100, 150]), (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1.0]), (0, 19, [0, 5, 10, 15, 20])],
)
def test_ticks(low: float, high: float, ticks: list[float]) -> None:
    assert round_ticks(low, high) == pytest.approx(ticks)


@pytest.mark.parametrize(
    ("volumes", "options", "message"),
    [
        ([], {}, "one volume a phase"),
        ({}, {}, "one volume a phase"),
        ({"a": [1.0], "b": [1.0, 2.0]}, {}, r"lengths \{'a': 1, 'b': 2\}"),
        ([None, None], {}, "not all missing"),
        ([1.0, -1.0], {}, "at least 0 mL"),
        (VOLUMES, {"end_systole": 6}, "Expected ES to be the index"),
        ([1.0, None], {"end_diastole": 1}, "Expected ED to be the index"),
        (VOLUMES, {"times_ms": [1.0, 2.0]}, "6 finite times"),
        (VOLUMES, {"size": (10, 10)}, "`size`"),
    ],
)
def test_wrong_input(volumes: list, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        volume_curve(volumes, **options)
