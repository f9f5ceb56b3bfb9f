# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import numpy as np
import pytest

from monai_acdr.apps.label_values import (
    draw_label_map,
    label_structures,
    merge_masks,
    overlap_in_part,
    picture_values,
    stack_masks,
    structure_masks,
)
from monai_acdr.dicom import BREAST_MASS, LV_ENDOCARDIUM, LV_EPICARDIUM, LV_MYOCARDIUM

INNER = np.array([[4.0, 4], [8, 4], [8, 8], [4, 8]])
OUTER = np.array([[2.0, 2], [10, 2], [10, 10], [2, 10]])


def test_cavity_and_ring() -> None:
    """By hand: 4 x 4 pixels in the middle of 8 x 8."""
    labels = draw_label_map([INNER, OUTER], (12, 14))
    expected = np.zeros((12, 14), np.uint8)
    expected[2:10, 2:10] = 2
    expected[4:8, 4:8] = 1
    np.testing.assert_array_equal(labels, expected)
    assert labels.dtype == np.uint8
    inner, outer = structure_masks(labels, 2, nested=True)
    np.testing.assert_array_equal(inner, expected == 1)
    np.testing.assert_array_equal(outer, expected > 0)
    inner, outer = structure_masks(np.where(labels == 1, labels, 0), 2, nested=True)  # the cavity alone was labeled
    np.testing.assert_array_equal(inner, expected == 1)
    assert outer.dtype == bool and outer.shape == labels.shape and not outer.any()
    np.testing.assert_array_equal(structure_masks(labels, 2, nested=False)[1], expected == 2)
    np.testing.assert_array_equal(structure_masks(labels, 1, nested=False)[0], expected > 0)


def test_masks_of_any_order() -> None:
    small, large = np.zeros((2, 6, 6), bool)
    small[2:4, 2:4] = large[1:5, 1:5] = True
    np.testing.assert_array_equal(merge_masks([small, large]), large * 2 - small * 1)
    np.testing.assert_array_equal(stack_masks({1: large, 2: small}, (6, 6)), large * 1 + small * 1)
    assert overlap_in_part({1: large, 2: small}) is None
    assert overlap_in_part({1: large, 2: np.roll(small, 2, 0), 3: ~large}) == (1, 2)


def test_names_of_the_values() -> None:
    assert label_structures([LV_ENDOCARDIUM, LV_EPICARDIUM], nested=True) == (LV_ENDOCARDIUM, LV_MYOCARDIUM)
    assert label_structures([LV_ENDOCARDIUM, LV_EPICARDIUM], nested=False) == (LV_ENDOCARDIUM, LV_EPICARDIUM)
    assert label_structures([BREAST_MASS], nested=False) == (BREAST_MASS,)


@pytest.mark.parametrize(("number", "values"), [(1, [0, 255]), (2, [0, 255, 128]), (3, [0, 255, 170, 85])])
def test_gray_values(number: int, values: list[int]) -> None:
    assert picture_values(number).tolist() == values
