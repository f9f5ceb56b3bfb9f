# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import numpy as np
import pytest
from PIL import ImageColor
from scipy import ndimage

from monai_acdr.visualize import bland_altman
from monai_acdr.visualize.plots import COLORS


def centers(picture: np.ndarray, color: str) -> list[tuple[float, float]]:
    """(x, y) of the connected spots of a color, from the left."""
    spots, number = ndimage.label((picture == ImageColor.getrgb(color)).all(axis=2))
    return sorted((x, y) for y, x in ndimage.center_of_mass(spots > 0, spots, range(1, number + 1)))


def test_points_and_lines_lie_where_the_values_are() -> None:
    reference, measured = [100.0, 150.0, 190.0], [110.0, 150.0, 210.0]
    picture = bland_altman({"volume, mL": (measured, reference)}, size=(280, 440))
    assert picture.shape == (280, 440, 3) and picture.dtype == np.uint8
    spots = centers(picture, COLORS[0])
    assert len(spots) == 3
    (x0, y0), (x1, y1), (x2, y2) = spots
    means, differences = np.array([105, 150, 200]), np.array([10, 0, 20])
    assert (x1 - x0) / (x2 - x0) == pytest.approx((means[1] - means[0]) / (means[2] - means[0]), abs=0.02)
    assert (y0 - y2) / (y1 - y2) == pytest.approx((20 - 10) / 20, abs=0.02)  # larger differences are higher
    scale = (y1 - y2) / 20
    orange = (picture == ImageColor.getrgb(COLORS[2])).all(axis=2).sum(axis=1)
    rows = np.flatnonzero(orange > picture.shape[1] / 2)
    lines = sorted({round(float(group.mean()), 1) for group in np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1)})
    spread = 1.96 * differences.std(ddof=1)
    expected = sorted(y1 - scale * value for value in (10 + spread, 10.0, 10 - spread))
    assert lines == pytest.approx(expected, abs=1.5)


def test_several_plots_and_one_subject() -> None:
    pairs = {f"measure {number}": ([1.0, 2.0], [1.0, 2.5]) for number in range(3)}
    assert bland_altman(pairs, size=(200, 300)).shape == (400, 600, 3)
    single = bland_altman({"one": ([5.0], [5.0])})
    assert len(centers(single, COLORS[0])) == 1


def test_refused() -> None:
    with pytest.raises(ValueError, match="at least one measure"):
        bland_altman({})
    with pytest.raises(ValueError, match=r"as many measured values as references of 'a', .* got \(2,\) and \(1,\)"):
        bland_altman({"a": ([1.0, 2.0], [1.0])})
    with pytest.raises(ValueError, match="finite values of 'a'"):
        bland_altman({"a": ([np.nan], [1.0])})
    with pytest.raises(ValueError, match=r"plots of at least \(160, 260\)"):
        bland_altman({"a": ([1.0], [1.0])}, size=(50, 50))
