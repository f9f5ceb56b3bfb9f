# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Gray values to 8 bits."""

from __future__ import annotations

import numpy as np
import pytest

from monai_acdr.visualize import window_image


def test_percentiles_become_black_and_white() -> None:
    image = np.arange(1001.0).reshape(7, 143)
    shown = window_image(image, (10, 90))
    assert shown.dtype == np.uint8
    assert (shown.ravel()[:101] == 0).all() and (shown.ravel()[900:] == 255).all()
    assert shown.ravel()[500] in (127, 128)


def test_one_bright_pixel_does_not_darken_the_rest() -> None:
    image = np.linspace(0, 1, 400).reshape(20, 20)
    image[3, 4] = 1e6
    assert window_image(image)[10, 10] > 100


def test_mask_of_a_tiny_object_keeps_it() -> None:
    image = np.zeros((50, 50), dtype=bool)
    image[4, 5] = True
    assert window_image(image)[4, 5] == 255


def test_constant_and_not_finite() -> None:
    assert window_image(np.full((3, 4), 7)).max() == 0
    shown = window_image(np.array([[np.nan, 1.0, 2.0, np.inf]]), (0, 100))
    assert shown.tolist() == [[0, 0, 255, 0]]
    with pytest.raises(ValueError, match="all are NaN or infinite"):
        window_image(np.full((3, 4), np.nan))


def test_wrong_arguments() -> None:
    with pytest.raises(ValueError, match="low < high"):
        window_image(np.zeros((3, 4)), (99, 1))
    with pytest.raises(ValueError, match=r"but got \(0, 4\)"):
        window_image(np.zeros((0, 4)))
