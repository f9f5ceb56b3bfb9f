# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math

import pytest
import torch

from monai_acdr.data import judge_masks, mask_contrast
from monai_acdr.data.mask_alignment import MAX_SHIFT, RING


def _square(size: int, x: int, y: int, width: int) -> torch.Tensor:
    mask = torch.zeros(size, size + 3)
    mask[y : y + width, x : x + width] = 1
    return mask


def _contrast_by_hand(image: torch.Tensor, mask: torch.Tensor, dx: int, dy: int) -> float:
    """The definition, pixel by pixel, on explicit lists."""
    height, width = image.shape
    inside, ring = [], []
    for row in range(height):
        for column in range(width):
            y, x = row - dy, column - dx
            near = mask[max(y - RING, 0) : max(y + RING + 1, 0), max(x - RING, 0) : max(x + RING + 1, 0)]
            if 0 <= y < height and 0 <= x < width and mask[y, x]:
                inside.append(float(image[row, column]))
            elif near.numel() and bool(near.any()):
                ring.append(float(image[row, column]))
    both = torch.tensor(inside + ring, dtype=torch.float64)
    return (sum(inside) / len(inside) - sum(ring) / len(ring)) / float(both.std(correction=0))


@pytest.mark.parametrize(("dx", "dy"), [(0, 0), (3, -2), (-5, 6)])
def test_against_the_definition(dx: int, dy: int) -> None:
    image = torch.rand(48, 51)
    mask = _square(48, 20, 18, 9)
    contrast = mask_contrast(image, mask)
    assert contrast.shape == (2 * MAX_SHIFT + 1, 2 * MAX_SHIFT + 1)
    assert float(contrast[MAX_SHIFT + dy, MAX_SHIFT + dx]) == pytest.approx(
        _contrast_by_hand(image, mask, dx, dy), 1e-5
    )


def test_independent_of_scale_and_offset() -> None:
    image, mask = torch.rand(48, 51), _square(48, 20, 18, 9)
    torch.testing.assert_close(
        mask_contrast(1000 * image - 300, mask), mask_contrast(image, mask), rtol=1e-3, atol=1e-4
    )


@pytest.mark.parametrize("shift", [(0, 0), (11, 2), (-7, 12)])
def test_displaced_masks_are_found(shift: tuple[int, int]) -> None:
    maps = []
    for width in (8, 9, 12):
        blood = _square(64, 28, 26, width)
        image = 100 * blood + 5 * torch.randn(64, 67)
        mask = _square(64, 28 - shift[0], 26 - shift[1], width)
        maps.append(mask_contrast(image, mask))
    fit = judge_masks(maps)
    assert fit.best_shift == shift
    assert fit.frames == 3
    assert fit.is_displaced == (math.hypot(*shift) > 5)
    assert not judge_masks(maps[:2]).is_displaced


def test_flat_image_and_small_image() -> None:
    flat = mask_contrast(torch.ones(64, 67), _square(64, 28, 26, 8))
    assert bool(torch.isfinite(flat).all()) and not judge_masks([flat] * 3).is_displaced
    small = mask_contrast(torch.rand(10, 12), torch.nn.functional.pad(torch.ones(3, 3), (4, 5, 3, 4)))
    assert small.shape == (2 * MAX_SHIFT + 1, 2 * MAX_SHIFT + 1)
    with pytest.raises(ValueError, match="at least one contrast map"):
        judge_masks([])
