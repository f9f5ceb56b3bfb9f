# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import numpy as np
import pytest
import torch

from monai_acdr.geometry import circle
from monai_acdr.transforms import ShiftContour, ShiftContourd, vertices_in

CONTOURS = circle(torch.tensor([[3.0, 4.0], [8.0, 9.0]]), 2.0, 16)


def test_there_and_back() -> None:
    moved = ShiftContour()(CONTOURS, (1, -2))
    torch.testing.assert_close(moved, CONTOURS + torch.tensor([1.0, -2.0]))
    torch.testing.assert_close(ShiftContour(-1)(moved, np.array([1.0, -2.0])), CONTOURS)


def test_items_with_a_shift_and_without() -> None:
    affine = torch.diag(torch.tensor([2.0, 3.0, 1.0, 1.0], dtype=torch.float64))
    vertices = vertices_in(CONTOURS, affine)
    item = ShiftContourd("reference")({"reference": vertices, "reader_shift": torch.tensor([-1.0, -1.0])})
    torch.testing.assert_close(item["reference"].as_tensor(), CONTOURS - 1)
    assert torch.equal(item["reference"].affine, affine)
    assert ShiftContourd("reference")({"reference": vertices})["reference"] is vertices


def test_missing_contours_stay_missing() -> None:
    assert bool(ShiftContour()(torch.full((1, 4, 2), torch.nan), (1, 1)).isnan().all())


@pytest.mark.parametrize("shift", [(1,), (1, 2, 3), (torch.nan, 0)])
def test_refusals(shift: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match=r"Expected `shift` to be \(x, y\)"):
        ShiftContour()(CONTOURS, shift)
