# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Checks of masks and spacings."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from monai_acdr.measures import measure_shape, measure_wall
from monai_acdr.metrics import compute_average_perpendicular_distance, compute_hausdorff95, evaluate_case
from monai_acdr.metrics.hausdorff import image_diagonal
from monai_acdr.metrics.inputs import check_known_masks, check_masks, check_spacing, is_missing, spacing_per_image


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.float32])
def test_masks_of_any_dtype_become_plain_bool(dtype: torch.dtype) -> None:
    mask = MetaTensor(torch.tensor([[[[0, 1], [1, 0]]]]).to(dtype))
    pred, reference = check_masks(mask, mask)
    assert pred.dtype == reference.dtype == torch.bool
    assert type(pred) is torch.Tensor
    assert pred.tolist() == [[[[False, True], [True, False]]]]


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match=r"one shape, but got \(1, 1, 4, 4\) and \(1, 1, 4, 5\)"):
        check_masks(torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 4, 5))
    with pytest.raises(ValueError, match=r"\(B, C, H, W\)"):
        check_masks(torch.zeros(1, 4, 4), torch.zeros(1, 4, 4))


@pytest.mark.parametrize("value", [0.4, 255.0, float("nan")])
def test_masks_must_be_binary(value: float) -> None:
    with pytest.raises(ValueError, match="Expected `y` to hold 0 and 1 only"):
        check_masks(torch.zeros(1, 1, 4, 4), torch.full((1, 1, 4, 4), value))


def test_a_reference_is_needed() -> None:
    with pytest.raises(ValueError, match="Expected a reference mask"):
        check_masks(torch.zeros(1, 1, 4, 4), None)


def test_spacing() -> None:
    assert check_spacing(None) == (1.0, 1.0)
    assert check_spacing(torch.tensor([2, 3])) == (2.0, 3.0)


@pytest.mark.parametrize("spacing", [[1.0], [0.0, 1.0], [1.0, float("nan")], [1.0, 2.0, 3.0]])
def test_bad_spacing(spacing: list[float]) -> None:
    with pytest.raises(ValueError, match="two positive lengths"):
        check_spacing(spacing)


@pytest.mark.parametrize("make", [list, tuple, np.array, torch.tensor], ids=["list", "tuple", "array", "tensor"])
def test_one_spacing_per_image_in_any_container(make: Any) -> None:
    spacings = spacing_per_image(make([[0.5, 0.75], [1.5, 1.75]]), 2)
    assert [check_spacing(one) for one in spacings] == [(0.5, 0.75), (1.5, 1.75)]
    with pytest.raises(ValueError, match="pair for each of 3 images, but got 2 for 3 images"):
        spacing_per_image(make([[0.5, 0.75], [1.5, 1.75]]), 3)


def test_no_spacing_is_pixels_for_all() -> None:
    assert spacing_per_image(None, 2) == [None, None]
    assert spacing_per_image([None, (1.0, 2.0)], 2) == [None, (1.0, 2.0)]


@pytest.mark.parametrize("spacing", [2.0, (2, 1), [2.0, 1.0], "ab", np.float64(2), torch.tensor(2.0), [(1.0,), (1, 2)]])
def test_spacings_that_are_no_pairs(spacing: Any) -> None:
    with pytest.raises(ValueError, match=r"\(row, column\) pair for each of 2 images, but got .*: give a list such as"):
        spacing_per_image(spacing, 2)


def test_references_of_nan_in_whole_channels_are_missing() -> None:
    pred, y = torch.ones(2, 2, 4, 4), torch.ones(2, 2, 4, 4)
    y[1, 0] = float("nan")
    checked, reference, known = check_known_masks(pred, y)
    assert known.tolist() == [[True, True], [False, True]]
    assert checked.all() and reference[known].all() and not reference[1, 0].any()
    y[0, 0, 0, 0] = float("nan")
    with pytest.raises(ValueError, match="Expected `y` to hold 0 and 1 only"):
        check_known_masks(pred, y)
    for mask in (torch.ones(2, 1, 4, 4, dtype=torch.bool), torch.ones(0, 1, 4, 4)):
        assert check_known_masks(mask, mask)[2].tolist() == [[True]] * len(mask)
    with pytest.raises(ValueError, match="Expected a reference mask"):
        check_known_masks(pred, None)
    assert is_missing(torch.full((1, 3, 2), float("nan"))) and not is_missing(torch.zeros(0, 2))
    assert not is_missing(torch.zeros(1, 4, dtype=torch.int64))


@pytest.mark.parametrize("kind", [list, tuple, np.asarray, torch.tensor])
def test_a_spacing_is_a_list_an_array_or_a_tensor_everywhere(kind: Any) -> None:
    mask, label = torch.zeros(2, 1, 12, 9), torch.zeros(2, 1, 12, 9)
    mask[:, :, 2:7, 2:6], label[:, :, 3:9, 3:8] = 1, 1
    contour = torch.tensor([[1.0, 1.0], [7.0, 1.5], [6.0, 8.0]])
    pair = [1.5, 0.5]
    given, per_image = kind(pair), kind([pair, pair])
    torch.testing.assert_close(
        compute_hausdorff95(mask, label, per_image), compute_hausdorff95(mask, label, [pair] * 2)
    )
    for measure in (
        lambda spacing: float(compute_average_perpendicular_distance(contour, contour + 1, spacing)),
        lambda spacing: image_diagonal((12, 9), spacing),
        lambda spacing: measure_shape(contour, spacing).area_mm2,
        lambda spacing: measure_wall(0.0, contour, 2 * contour, spacing).endocardium_area_mm2,
        lambda spacing: evaluate_case(mask[0], label[0], spacing=spacing)["hd95_mm"],
    ):
        assert measure(given) == pytest.approx(measure(pair))
