# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Contours land on the right picture pixels, in the right colors, at every zoom."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from monai_acdr.visualize import (
    FINAL_COLOR,
    INITIAL_COLOR,
    REFERENCE_COLOR,
    STRUCTURE_COLORS,
    contour_crop_box,
    draw_contours,
    structure_color,
    window_image,
)
from monai_acdr.visualize.pictures import luminance

SQUARE = torch.tensor([[3.0, 2.0], [9.0, 2.0], [9.0, 5.0], [3.0, 5.0]])
BLACK = np.zeros((8, 12))
WHITE = (255, 255, 255)


def test_line_lies_on_the_pixel_borders_of_a_non_square_image() -> None:
    picture = draw_contours(BLACK, [(SQUARE, FINAL_COLOR)], scale=10, line_width=2)
    assert picture.shape == (80, 120, 3)
    assert picture.dtype == np.uint8
    lit = picture[:, :, 0] > 128
    # Borders at x = 30 and 90, y = 20 and 50; a line 2 wide takes one picture pixel on each side.
    assert np.flatnonzero(lit[35]).tolist() == [29, 30, 89, 90]
    assert np.flatnonzero(lit[:, 60]).tolist() == [19, 20, 49, 50]
    assert tuple(picture[20, 60]) == FINAL_COLOR
    assert not lit[22:48, 32:88].any()


@settings(max_examples=30)
@given(x=st.floats(2.0, 10.0), scale=st.integers(2, 12), width=st.integers(1, 4))
def test_line_is_centerd_below_a_picture_pixel(x: float, scale: int, width: int) -> None:
    vertical = np.array([[x, -5.0], [x, 20.0]])
    profile = draw_contours(BLACK, [(vertical, WHITE)], scale=scale, line_width=width)[4 * scale, :, 0].astype(float)
    assert (profile * (np.arange(profile.size) + 0.5)).sum() / profile.sum() == pytest.approx(x * scale, abs=0.02)
    assert profile.sum() / 255 == pytest.approx(width, abs=0.02)


def test_last_vertex_is_joined_to_the_first() -> None:
    picture = draw_contours(BLACK, [(SQUARE, WHITE)], scale=4, line_width=2)
    assert picture[14, 12].min() == 255  # on the edge from (3, 5) back to (3, 2)


def test_lines_are_smooth() -> None:
    triangle = np.array([[1.0, 1.0], [11.0, 3.0], [4.0, 7.0]])
    values = np.unique(draw_contours(BLACK, [(triangle, WHITE)], scale=4))
    assert len(values) > 8


def test_colors_and_order() -> None:
    contours = {"initial": (SQUARE, INITIAL_COLOR), "final": (SQUARE + torch.tensor([0.0, 1.0]), FINAL_COLOR)}
    picture = draw_contours(BLACK, contours, scale=8, line_width=2)
    assert tuple(picture[16, 48]) == INITIAL_COLOR
    assert tuple(picture[24, 48]) == FINAL_COLOR
    assert tuple(picture[30, 24]) == FINAL_COLOR  # both pass here: the later one is on top
    assert INITIAL_COLOR[2] == max(INITIAL_COLOR)
    assert REFERENCE_COLOR[1] == max(REFERENCE_COLOR)
    assert FINAL_COLOR[2] == 0 and min(FINAL_COLOR[:2]) > 200


def test_crop_shows_the_same_picture() -> None:
    image = np.random.default_rng(0).random((20, 30))
    contours = [(SQUARE + 5, FINAL_COLOR)]
    whole = draw_contours(image, contours, scale=6, smooth=False)
    part = draw_contours(image, contours, scale=6, smooth=False, crop_box=(7, 5, 15, 11))
    assert part.shape == (36, 48, 3)
    assert np.array_equal(part, whole[30:66, 42:90])


def test_pixels_are_squares_without_smoothing() -> None:
    image = np.arange(6.0).reshape(2, 3)
    picture = draw_contours(image, [], scale=5, smooth=False, percentiles=(0, 100))
    assert np.array_equal(picture[::5, ::5, 0], picture[4::5, 4::5, 0])
    assert picture[0, 0, 0] == 0 and picture[-1, -1, 0] == 255


def test_contour_outside_the_image_is_cut() -> None:
    far = draw_contours(BLACK, [(SQUARE + 1000, WHITE)])
    assert far.max() == 0
    around = draw_contours(BLACK, [(np.array([[-5.0, -5.0], [4.0, -5.0], [4.0, 20.0], [-5.0, 20.0]]), WHITE)], scale=4)
    assert np.flatnonzero(around[16, :, 0] > 128).tolist() == [15, 16]


def test_huge_contour_needs_no_huge_memory() -> None:
    picture = draw_contours(BLACK, [(np.array([[-1e6, 4.0], [1e6, 4.0], [1e6, 1e6]]), WHITE)], scale=4)
    assert picture.shape == (32, 48, 3)


def test_tensors_and_channel_first_images() -> None:
    image = torch.rand(1, 8, 12, requires_grad=True)
    vertices = SQUARE.clone().requires_grad_()
    expected = draw_contours(image.detach().numpy()[0], [(SQUARE.numpy(), FINAL_COLOR)])
    assert np.array_equal(draw_contours(image, [(vertices, FINAL_COLOR)]), expected)


def test_legend_marks_the_corner_only() -> None:
    image = np.full((60, 80), 1.0)
    contours = {"reference": (SQUARE + 40, REFERENCE_COLOR), "final": (SQUARE + 40, FINAL_COLOR)}
    plain, marked = draw_contours(image, contours), draw_contours(image, contours, legend=True)
    assert not np.array_equal(plain[:40, :100], marked[:40, :100])
    assert np.array_equal(plain[60:], marked[60:])
    for color in (REFERENCE_COLOR, FINAL_COLOR):
        assert (marked[:40, :100] == color).all(axis=-1).any()


def test_crop_box_around_contours() -> None:
    assert contour_crop_box([SQUARE], (8, 12), margin=1.5) == (1, 0, 11, 7)
    assert contour_crop_box([SQUARE, SQUARE - 100], (8, 12), margin=0) == (0, 0, 9, 5)
    with pytest.raises(ValueError, match="at least one contour"):
        contour_crop_box([], (8, 12))
    with pytest.raises(ValueError, match="lie inside an image of size"):
        contour_crop_box([SQUARE + 100], (8, 12))


@pytest.mark.parametrize(
    ("vertices", "message"),
    [
        (torch.zeros(0, 2), r"contour #0 to be \(K >= 2, 2\), but got \(0, 2\)"),
        (torch.zeros(1, 2), r"contour #0 to be \(K >= 2, 2\), but got \(1, 2\)"),
        (torch.zeros(1, 4, 2), r"but got \(1, 4, 2\): draw one contour at a time"),
        (torch.tensor([[0.0, 0.0], [1.0, float("nan")]]), "finite vertices of contour #0"),
    ],
)
def test_degenerate_contours(vertices: torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        draw_contours(BLACK, [(vertices, FINAL_COLOR)])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scale": 0}, "`scale` to be a positive whole number, but got 0"),
        ({"scale": 1.5}, "`scale` to be a positive whole number"),
        ({"line_width": 0}, "`line_width` to be positive"),
        ({"legend": True}, "pass a dict"),
        ({"crop_box": (0, 0, 13, 8)}, r"inside an image of size \(8, 12\)"),
        ({"crop_box": (4, 4, 4, 8)}, "inside an image"),
    ],
)
def test_wrong_options(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        draw_contours(BLACK, [(SQUARE, FINAL_COLOR)], **options)


def test_wrong_image_and_color() -> None:
    with pytest.raises(ValueError, match=r"\(H, W\), \(1, H, W\) or \(3, H, W\), but got \(2, 8, 12\)"):
        draw_contours(np.zeros((2, 8, 12)), [])
    with pytest.raises(ValueError, match="color of contour final"):
        draw_contours(BLACK, {"final": (SQUARE, (0, 0, 256))})


def test_collapsed_contour_is_drawn_without_error() -> None:
    assert draw_contours(BLACK, [(torch.full((5, 2), 4.0), WHITE)]).shape == (32, 48, 3)


def test_a_list_of_contours_has_one_color_and_one_name() -> None:
    together = draw_contours(BLACK, {"reference": ([SQUARE, SQUARE + 1], REFERENCE_COLOR)}, legend=False)
    apart = draw_contours(BLACK, [(SQUARE, REFERENCE_COLOR), (SQUARE + 1, REFERENCE_COLOR)])
    np.testing.assert_array_equal(together, apart)


def test_structures_have_different_colors() -> None:
    colors = [structure_color(index) for index in range(len(STRUCTURE_COLORS))]
    assert colors[0] == FINAL_COLOR
    assert len({*colors, INITIAL_COLOR, REFERENCE_COLOR}) == len(colors) + 2
    assert structure_color(len(colors)) == colors[0]


def test_luminance_is_that_of_pillow() -> None:
    colors = np.random.default_rng(0).integers(0, 256, (12, 10, 3)).astype(np.uint8)
    expected = np.asarray(Image.fromarray(colors).convert("L"), dtype=float)
    np.testing.assert_allclose(luminance(np.moveaxis(colors, -1, 0).astype(float))[0], expected, atol=0.51)


def test_colors_stay_colors() -> None:
    """As they are in pictures, otherwise with one window for all channels; three equal ones are drawn as gray is."""
    colors = np.random.default_rng(0).integers(0, 256, (12, 10, 3)).astype(np.uint8)
    colors[0, 0], colors[0, 1] = 0, 255
    first = np.moveaxis(colors, -1, 0)
    np.testing.assert_array_equal(window_image(first), colors)
    np.testing.assert_array_equal(window_image(first // 2), colors // 2)  # a dark picture
    np.testing.assert_array_equal(draw_contours(first, [], scale=1, smooth=False), colors)
    image = torch.from_numpy(first.copy()).float() * 3 + 7
    np.testing.assert_array_equal(draw_contours(image, [], scale=1, percentiles=(0, 100), smooth=False), colors)
    dark = torch.where(image == image.max(), torch.nan, image)  # not finite: black
    assert window_image(dark, (0, 100))[0, 1].tolist() == [0, 0, 0]
    box = (2, 3, 9, 11)
    lines = [(SQUARE, FINAL_COLOR)]
    whole = draw_contours(first, lines, scale=3, smooth=False)
    np.testing.assert_array_equal(draw_contours(first, lines, scale=3, crop_box=box, smooth=False), whole[9:33, 6:27])
    gray = colors[..., 1]
    three = draw_contours(np.stack([gray] * 3), lines, scale=3)
    alone = draw_contours(gray, lines, scale=3, percentiles=(0, 100))
    np.testing.assert_allclose(three, alone, atol=2)  # Pillow resizes RGB in other steps
