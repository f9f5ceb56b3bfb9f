# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The ratio of two areas."""

from __future__ import annotations

import torch

from monai_acdr.metrics import compute_area_ratio


def test_only_areas_count() -> None:
    pred, reference = torch.zeros(2, 1, 8, 8), torch.zeros(2, 1, 8, 8)
    pred[0, 0, :2, :2], reference[0, 0, 5:7, 5:7] = 1, 1  # disjoint, of one area
    pred[1, 0, :2, :3], reference[1, 0, :4, :6] = 1, 1
    torch.testing.assert_close(compute_area_ratio(pred, reference), torch.tensor([[1.0], [0.25]]))
    torch.testing.assert_close(compute_area_ratio(reference, pred), torch.tensor([[1.0], [0.25]]))


def test_empty_masks() -> None:
    empty, full = torch.zeros(1, 1, 4, 4), torch.ones(1, 1, 4, 4)
    assert compute_area_ratio(empty, empty).item() == 1
    assert compute_area_ratio(empty, full).item() == 0
