# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import numpy as np
import pytest
from shapely.geometry import Polygon, box

from monai_acdr.dicom.sr import clip_polygon

STAR = np.array([[5, -3], [7, 3], [15, 4], [8, 6], [6, 12], [3, 6], [-4, 5], [3, 3]], dtype=np.float64)


def test_inside_stays_the_same() -> None:
    square = np.array([[0, 0], [10.0, 0], [10, 8], [0, 8]])
    assert clip_polygon(square, (8, 10)) is square


@pytest.mark.parametrize("shift", [(0, 0), (4, -2), (-3, 3), (0.25, 5)])
def test_area_is_that_of_the_intersection(shift: tuple[float, float]) -> None:
    vertices = STAR + shift
    clipped = clip_polygon(vertices, (8, 10))
    assert clipped.min() >= 0 and (clipped <= [10, 8]).all()
    x, y = clipped.T
    area = abs(0.5 * np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y))
    assert area == pytest.approx(Polygon(vertices).intersection(box(0, 0, 10, 8)).area)


def test_outside_leaves_nothing() -> None:
    assert clip_polygon(STAR + 100, (8, 10)).shape == (0, 2)
