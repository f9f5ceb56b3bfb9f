# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from monai_acdr.geometry import circle
from monai_acdr.transforms.roi import (
    check_roi,
    expand_roi,
    jitter_roi,
    roi_about_center,
    roi_about_vertices,
    roi_corners,
    roi_from_box,
    shift_roi_inside,
)

TRIANGLE = torch.tensor([[10.0, 20.0], [16.0, 20.0], [10.0, 29.0]])


def make(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_box_and_center() -> None:
    assert roi_from_box((2, 3, 10, 7)).tolist() == [6, 5, 8, 4, 0]
    assert roi_from_box(torch.tensor([2, 3, 10, 7])).dtype == torch.float64
    assert roi_about_center((40, 60)).tolist() == [30, 20, 60, 40, 0]
    assert roi_about_center((40, 60), side=16).tolist() == [30, 20, 16, 16, 0]


@pytest.mark.parametrize("box", [(0, 0, 0, 4), (5, 0, 4, 4), (0, 0, float("nan"), 4), (0, 0, 4)])
def test_bad_box(box: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="x0 < x1 and y0 < y1"):
        roi_from_box(box)


def test_about_vertices() -> None:
    assert roi_about_vertices(TRIANGLE, side=30).tolist() == [12, 23, 30, 30, 0]  # centroid: mean of the corners
    assert roi_about_vertices(TRIANGLE, square=False).tolist() == [13, 24.5, 6, 9, 0]
    assert roi_about_vertices(TRIANGLE).tolist() == [13, 24.5, 9, 9, 0]
    assert roi_about_vertices(TRIANGLE, scale=2, margin=1, square=False).tolist() == [13, 24.5, 14, 20, 0]
    both = torch.stack([TRIANGLE, TRIANGLE + 10])
    assert roi_about_vertices(both, square=False).tolist() == [18, 29.5, 16, 19, 0]
    assert roi_about_vertices(both, side=5).tolist() == [17, 28, 5, 5, 0]


def test_about_vertices_refuses() -> None:
    with pytest.raises(ValueError, match="either `side` or `margin` and `scale`"):
        roi_about_vertices(TRIANGLE, side=30, scale=1.2)
    with pytest.raises(ValueError, match="to be finite"):
        roi_about_vertices(TRIANGLE * float("nan"))


def test_expand_keeps_center_and_angle() -> None:
    assert expand_roi(make(5, 6, 4, 2, 0.3), scale=1.5, margin=2, square=True).tolist() == [5, 6, 10, 10, 0.3]


def test_corners_turn_counter_clockwise_to_the_eye() -> None:
    quarter = roi_corners(make(10, 20, 8, 4, math.pi / 2))
    # The crop's upper left corner: x axis points up in the image (-y), y axis to the right (+x).
    torch.testing.assert_close(quarter, make(8, 24, 8, 16, 12, 16, 12, 24).reshape(4, 2))


@given(st.floats(-50, 150), st.floats(-50, 150), st.floats(1, 60), st.floats(1, 60), st.floats(-7, 7))
def test_shift_inside(x: float, y: float, width: float, height: float, angle: float) -> None:
    size = (100, 120)
    shifted = shift_roi_inside(make(x, y, width, height, angle), size)
    corners = roi_corners(shifted)
    assert bool((corners >= -1e-9).all())
    assert bool((corners <= make(120, 100) + 1e-9).all())
    assert shifted[2:].tolist() == [width, height, angle]
    torch.testing.assert_close(shift_roi_inside(shifted, size), shifted, rtol=0, atol=1e-9)  # nothing left to move


def test_shift_inside_centers_what_is_too_large() -> None:
    assert shift_roi_inside(make(5, 5, 200, 20, 0), (100, 120)).tolist() == [60, 10, 200, 20, 0]


def test_jitter() -> None:
    roi = make(50, 40, 20, 10, 0)
    assert jitter_roi(roi, (0.5, -0.1), 1.5, 0.2).tolist() == pytest.approx([60, 39, 30, 15, 0.2])
    turned = jitter_roi(make(50, 40, 20, 10, math.pi / 2), shift=(0.5, 0))
    assert turned.tolist() == pytest.approx([50, 30, 20, 10, math.pi / 2])  # along the ROI's own x axis: up


@given(st.floats(-1, 1), st.floats(-1, 1), st.floats(0.25, 4), st.floats(-4, 4))
def test_jitter_can_be_undone(shift_x: float, shift_y: float, scale: float, angle: float) -> None:
    roi = make(50, 40, 20, 10, 0.3)
    there = jitter_roi(roi, (shift_x, shift_y))
    there = jitter_roi(there, scale=scale, angle=angle)
    back = jitter_roi(jitter_roi(there, scale=1 / scale, angle=-angle), (-shift_x, -shift_y))
    torch.testing.assert_close(back, roi, rtol=0, atol=1e-9)


def test_check() -> None:
    size = (100, 120)
    check_roi(make(0, 0, 10, 10, 0.5), size)
    with pytest.raises(ValueError, match=r"finite ROI, but got center \(nan, 5\).* 100 x 120 \(H x W\)"):
        check_roi(make(float("nan"), 5, 4, 4, 0), size)
    with pytest.raises(ValueError, match=r"positive width and height.*sides 0 x 4.*add a margin"):
        check_roi(make(5, 5, 0, 4, 0), size)
    for x, y in ((-5, 50), (125, 50), (60, -5), (60, 105)):
        with pytest.raises(ValueError, match=r"meets the image, but got center .*100 x 120.*shift_roi_inside"):
            check_roi(make(x, y, 10, 10, 0), size)
    with pytest.raises(ValueError, match=r"`roi` to be \(5,\)"):
        check_roi(torch.zeros(4), size)


def test_roi_of_a_circle() -> None:
    contour = circle(make(30, 40), 8.0, 64)
    torch.testing.assert_close(roi_about_vertices(contour, scale=1.2), make(30, 40, 19.2, 19.2, 0))


def test_structures_without_reference_are_left_out() -> None:
    square = torch.tensor([[10.0, 10.0], [30.0, 10.0], [30.0, 30.0], [10.0, 30.0]])
    both = torch.stack([square, torch.full_like(square, torch.nan)])
    torch.testing.assert_close(roi_about_vertices(both, side=50), roi_about_vertices(square, side=50))
    torch.testing.assert_close(roi_about_vertices(both, margin=5), roi_about_vertices(square, margin=5))
    with pytest.raises(ValueError, match="finite"):
        roi_about_vertices(both[1:], side=50)
