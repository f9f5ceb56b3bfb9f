# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The patient in memory: anatomy in range, phases, argument checks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from shapely.geometry import Polygon

from monai_acdr.data.phantoms import ShortAxisPhantom, end_systole


def test_anatomy_is_in_range() -> None:
    areas, offsets = [], []
    for patient in range(14):
        phantom = ShortAxisPhantom(patient)
        for slice_index in range(6):
            for phase in (0, end_systole(6)):
                contours = phantom.contours(slice_index, phase)
                polygon = Polygon(contours.endocardium.numpy())
                assert polygon.is_valid
                areas.append(polygon.area)
                offsets.append(np.abs(np.array(polygon.centroid.coords[0]) - [64, 72]).max())
                low, high = contours.epicardium.amin(0), contours.epicardium.amax(0)
                assert bool((low > 0).all()) and bool((high < torch.tensor([128.0, 144.0])).all())
    assert 40 < min(areas) < 250
    assert 2000 < max(areas) < 3300
    assert max(offsets) < 9


def test_images_move_with_the_phase() -> None:
    images = ShortAxisPhantom(num_slices=1, num_phases=3, size=(64, 72), spacing=(2.0, 2.0)).images(0)
    assert images.shape == (3, 64, 72)
    assert images.dtype == np.int16
    assert np.abs(images[0].astype(int) - images[1]).max() > 100


def test_contraction_is_one_at_end_systole() -> None:
    phantom = ShortAxisPhantom(num_phases=12)
    values = [phantom.contraction(phase) for phase in range(12)]
    assert values[0] == 0
    assert int(np.argmax(values)) == end_systole(12) == 4
    assert values[4] == pytest.approx(1)
    assert values[11] < 0.1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_slices": 0}, "`num_slices` to be at least 1, but got 0"),
        ({"num_phases": 1}, "`num_phases` to be at least 2, but got 1"),
        ({"seed": -1}, "`seed` to be a non-negative integer, but got -1"),
        ({"spacing": (0.0, 1.0)}, "`spacing` to be positive"),
        ({"size": (64, 64)}, "field of view of at least 120 mm, .* gives 83 mm: enlarge `size` or `spacing`"),
    ],
)
def test_wrong_arguments(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ShortAxisPhantom(**arguments)
