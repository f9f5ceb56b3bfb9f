# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import pytest
import torch

from monai_acdr.geometry import circle, perimeter
from monai_acdr.transforms import ResampleContour, ResampleContourd, vertices_in


def _two() -> torch.Tensor:
    contours = torch.stack([circle(torch.tensor([3.0, 4.0]), radius, 300) for radius in (2.0, 5.0)])
    return torch.cat([contours, torch.full_like(contours[:1], torch.nan)])


def test_equal_steps_and_missing_ones() -> None:
    result = ResampleContour(16)(_two())
    assert result.shape == (3, 16, 2) and bool(result[2].isnan().all())
    for contour, radius in zip(result, (2.0, 5.0), strict=False):
        torch.testing.assert_close(
            (contour - torch.tensor([3.0, 4.0])).norm(dim=-1), torch.full((16,), radius), atol=1e-3, rtol=0
        )
        steps = (contour.roll(-1, 0) - contour).norm(dim=-1)
        torch.testing.assert_close(steps, (perimeter(contour) / 16).expand(16), atol=1e-3, rtol=0)


def test_frames_are_kept() -> None:
    affine = torch.diag(torch.tensor([2.0, 3.0, 1.0, 1.0], dtype=torch.float64))
    item = ResampleContourd("reference", 8)({"reference": vertices_in(_two(), affine), "other": 1})
    assert torch.equal(item["reference"].affine, affine) and item["other"] == 1
    assert torch.equal(item["reference"].as_tensor()[:2], ResampleContour(8)(_two())[:2])


def test_refusals() -> None:
    with pytest.raises(ValueError, match="at least 3"):
        ResampleContour(2)
    with pytest.raises(KeyError, match="absent"):
        ResampleContourd("absent")({})
    assert ResampleContourd("absent", allow_missing_keys=True)({}) == {}
