# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""HD95 against all pairs of edge pixels."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from monai_acdr.metrics import compute_hausdorff95, image_diagonal


def _ellipse(center: tuple[float, float], radii: tuple[float, float], size: tuple[int, int] = (40, 48)) -> torch.Tensor:
    rows, columns = np.mgrid[: size[0], : size[1]] + 0.5
    inside = ((columns - center[0]) / radii[0]) ** 2 + ((rows - center[1]) / radii[1]) ** 2 <= 1
    return torch.from_numpy(inside)[None, None]


def _edge_points(mask: np.ndarray, spacing: tuple[float, float]) -> np.ndarray:
    """Foreground pixels with a background (or outer) pixel above, below, left or right, one by one."""
    padded = np.pad(mask, 1)
    points = [
        (row * spacing[0], column * spacing[1])
        for row, column in np.argwhere(mask)
        if not all(padded[row + 1 + r, column + 1 + c] for r, c in ((-1, 0), (1, 0), (0, -1), (0, 1)))
    ]
    return np.array(points)


def _brute_force(pred: torch.Tensor, reference: torch.Tensor, spacing: tuple[float, float], percentile: float) -> float:
    first, second = (_edge_points(mask[0, 0].numpy(), spacing) for mask in (pred, reference))
    distances = np.sqrt(((first[:, None] - second[None]) ** 2).sum(-1))
    return max(np.percentile(distances.min(1), percentile), np.percentile(distances.min(0), percentile))


@pytest.mark.parametrize("percentile", [95.0, 100.0])
@pytest.mark.parametrize("spacing", [(1.0, 1.0), (1.3, 1.3), (0.7, 2.1)])
def test_against_brute_force(spacing: tuple[float, float], percentile: float) -> None:
    pred, reference = _ellipse((20, 18), (11, 7)), _ellipse((24.3, 20), (8, 9.5))
    value = compute_hausdorff95(pred, reference, [spacing], percentile)
    assert value.shape == (1, 1)
    assert value.item() == pytest.approx(_brute_force(pred, reference, spacing, percentile), rel=1e-5)


@settings(deadline=None, max_examples=10)
@given(st.integers(-5, 5), st.integers(-5, 5))
def test_symmetric_and_translation_invariant(rows: int, columns: int) -> None:
    pred, reference = _ellipse((20, 18), (9, 7)), _ellipse((22, 20), (8, 8))
    value = compute_hausdorff95(pred, reference).item()
    assert compute_hausdorff95(reference, pred).item() == pytest.approx(value)
    moved = (mask.roll((rows, columns), (2, 3)) for mask in (pred, reference))
    assert compute_hausdorff95(*moved).item() == pytest.approx(value)


def test_identical_masks_are_0_apart() -> None:
    mask = _ellipse((20, 18), (9, 7))
    assert compute_hausdorff95(mask, mask).item() == 0


def test_empty_masks_give_finite_values() -> None:
    empty, mask = torch.zeros(1, 1, 40, 48), _ellipse((20, 18), (9, 7))
    assert compute_hausdorff95(empty, empty).item() == 0
    assert compute_hausdorff95(empty, mask).item() == pytest.approx(math.sqrt(40**2 + 48**2))
    assert compute_hausdorff95(mask, empty, [(2, 0.5)]).item() == pytest.approx(math.sqrt(80**2 + 24**2))


def test_mixed_spacings_in_a_batch() -> None:
    pred = torch.cat([_ellipse((20, 18), (9, 7))] * 2)
    reference = torch.cat([_ellipse((24, 18), (9, 7))] * 2)
    pixels, mm = compute_hausdorff95(pred, reference, [None, (1.5, 1.5)]).flatten().tolist()
    assert mm == pytest.approx(1.5 * pixels)


def test_one_spacing_per_image() -> None:
    mask = _ellipse((20, 18), (9, 7))
    with pytest.raises(ValueError, match="pair for each of 1 images, but got 2 for 1 images"):
        compute_hausdorff95(mask, mask, [None, None])


def test_image_diagonal() -> None:
    assert image_diagonal((3, 4)) == 5
    assert image_diagonal((3, 2), (1, 2)) == 5


def test_no_warning_of_a_call_within_monai() -> None:
    mask = torch.zeros(1, 1, 8, 8)
    mask[..., 2:5, 2:5] = 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert compute_hausdorff95(mask, mask).item() == 0
