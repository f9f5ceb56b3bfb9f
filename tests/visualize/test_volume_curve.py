# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The plot of volume over phase."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import ImageColor
from scipy import ndimage

from monai_acdr.visualize.plots import COLORS, volume_curve

VOLUMES = [120.0, 100.0, 60.0, 50.0, 80.0, 110.0]


def colored(picture: np.ndarray, color: str) -> np.ndarray:
    """(H, W) bool: where the picture has exactly this color."""
    return (picture == ImageColor.getrgb(color)).all(axis=-1)


def test_curve_goes_through_the_volumes() -> None:
    size = (300, 500)
    picture = volume_curve(VOLUMES, size=size)
    assert picture.shape == (*size, 3)
    assert picture.dtype == np.uint8
    dots = ndimage.binary_erosion(colored(picture, COLORS[0]), iterations=2)  # without the line between them
    spots, number = ndimage.label(dots)
    assert number == len(VOLUMES)
    places = sorted((x, y) for y, x in ndimage.center_of_mass(dots, spots, range(1, number + 1)))
    x, y = np.array(places).T
    np.testing.assert_allclose(np.diff(x), np.diff(x).mean(), atol=1.01)
    slope, start = np.polyfit(VOLUMES, y, 1)  # larger volumes are higher
    assert slope < 0
    np.testing.assert_allclose(slope * np.array(VOLUMES) + start, y, atol=1.01)


def test_missing_volumes_interrupt_the_line() -> None:
    whole, broken = (
        np.flatnonzero(colored(volume_curve(values, size=(300, 500)), COLORS[0]).any(axis=0))
        for values in ([100.0] * 6, [100.0, 100.0, None, float("nan"), 100.0, 100.0])
    )
    assert (whole[0], whole[-1]) == (broken[0], broken[-1])
    assert np.diff(whole).max() == 1
    assert np.diff(broken).max() == pytest.approx((whole[-1] - whole[0]) * 3 / 5, abs=12)


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


def test_names_are_shown_as_they_are() -> None:
    plain = volume_curve({"a": VOLUMES})
    for name in ("$x$", "_hidden", r"$\frac{"):
        assert (volume_curve({name: VOLUMES}) != plain).any()


@pytest.mark.parametrize(
    ("volumes", "options", "message"),
    [
        ([], {}, "one volume per phase"),
        ({}, {}, "one volume per phase"),
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
