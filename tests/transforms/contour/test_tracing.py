# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import ndimage

from monai_acdr.geometry import circle, is_simple, signed_area
from monai_acdr.transforms.contour import contour_to_mask, mask_to_contour, mask_to_contours

EIGHT = np.ones((3, 3))  # pixels that touch by a corner belong together


def filled_objects(mask: np.ndarray) -> list[np.ndarray]:
    """Independent answer: 8-connected objects, holes filled."""
    labels, count = ndimage.label(mask, EIGHT)
    return [ndimage.binary_fill_holes(labels == index) for index in range(1, count + 1)]


def masks() -> st.SearchStrategy[np.ndarray]:
    def draw(height: int, width: int, density: float, seed: int) -> np.ndarray:
        mask = np.random.default_rng(seed).random((height, width)) < density
        mask[height // 2, width // 2] = True
        return mask

    return st.builds(draw, st.integers(1, 14), st.integers(1, 14), st.floats(0.02, 0.95), st.integers(0, 2**32 - 1))


@given(masks())
@example(np.ones((1, 1), dtype=bool))
@example(np.eye(5, dtype=bool))
@example(np.ones((4, 6), dtype=bool))
@example(np.indices((5, 5)).sum(0) % 2 == 0)
def test_tracing_and_drawing_is_the_identity(mask: np.ndarray) -> None:
    contours = mask_to_contours(torch.from_numpy(mask))
    expected = filled_objects(mask)
    for dtype in (torch.float64, torch.float32):
        for contour in contours:
            coverage = contour_to_mask(contour.to(dtype), mask.shape)[0].numpy()
            drawn = coverage >= 0.5
            assert any((drawn == one).all() for one in [*expected, *filled_objects(mask & drawn)])
            assert coverage[drawn].min() > 0.5015 and coverage[~drawn].max(initial=0) < 0.2525
    assert sum(contour_to_mask(c, mask.shape, 0.5)[0].numpy() for c in contours).astype(bool)[mask].all()
    assert all(bool(is_simple(contour)) and signed_area(contour) > 0 for contour in contours)


def test_one_pixel() -> None:
    mask = torch.zeros(3, 4)
    mask[1, 2] = 1
    contour = mask_to_contour(mask)
    assert contour.dtype == torch.float64
    assert sorted(map(tuple, contour.round(decimals=3).tolist())) == [
        (1.999, 1.5), (2.5, 0.999), (2.5, 2.001), (3.001, 1.5),
    ]  # fmt: skip


def test_largest_object_comes_first() -> None:
    mask = torch.zeros(20, 20)
    mask[1:3, 1:3] = 1
    mask[5:15, 5:15] = 1
    mask[7:12, 7:12] = 0  # a hole, and an object in it
    mask[9, 9] = 1
    contours = mask_to_contours(mask)
    assert [round(float(signed_area(c))) for c in contours] == [100, 4, 1]
    assert contour_to_mask(mask_to_contour(mask), (20, 20), 0.5).sum() == 100


def test_soft_mask_gives_subpixel_contour() -> None:
    true = circle(torch.tensor([15.3, 14.6], dtype=torch.float64), 9.0, 200)
    contour = mask_to_contour(contour_to_mask(true, (30, 30))[0], level=0.5)
    radii = (contour - torch.tensor([15.3, 14.6])).norm(dim=1)
    assert (radii - 9).abs().max() < 0.1


@pytest.mark.parametrize("mask", [torch.zeros(4, 5), torch.zeros(4, 5, dtype=torch.bool), torch.zeros(0, 0)])
def test_empty_mask_is_refused(mask: torch.Tensor) -> None:
    with pytest.raises(ValueError, match=r"values above 0.499, but its maximum is 0: an empty mask has no contour"):
        mask_to_contour(mask)


def test_shapes_are_checked() -> None:
    with pytest.raises(ValueError, match=r"`mask` to be \(H, W\), but got \(1, 4, 5\)"):
        mask_to_contour(torch.ones(1, 4, 5))
    with pytest.raises(ValueError, match=r"\(N, 2\) or \(C, N, 2\), but got \(1, 1, 4, 2\)"):
        contour_to_mask(torch.zeros(1, 1, 4, 2), (4, 4))


def test_drawing() -> None:
    square = torch.tensor([[1.0, 1.0], [3.5, 1.0], [3.5, 2.5], [1.0, 2.5]], dtype=torch.float64)
    coverage = contour_to_mask(square, (4, 5))
    assert coverage.dtype == torch.float32
    expected = torch.zeros(1, 4, 5)
    expected[0, 1, 1:3], expected[0, 1, 3], expected[0, 2, 1:3], expected[0, 2, 3] = 1, 0.5, 0.5, 0.25
    torch.testing.assert_close(coverage, expected)
    assert torch.equal(contour_to_mask(square, (4, 5), threshold=0.5), (expected >= 0.5).float())
    two = contour_to_mask(torch.stack([square, square.flip(0)]), (4, 5))
    torch.testing.assert_close(two, expected.expand(2, 4, 5))
    signed = contour_to_mask(torch.stack([square, square.flip(0)]), (4, 5), fill_rule="signed")
    torch.testing.assert_close(signed[0], -signed[1])
