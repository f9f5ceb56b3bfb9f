# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Checks of the metrics' inputs: binary masks, and one spacing per image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

__all__ = [
    "Spacing",
    "check_binary",
    "check_known_masks",
    "check_masks",
    "check_spacing",
    "is_missing",
    "plain",
    "spacing_per_image",
]

Spacing = tuple[float, float]
"""(between rows, between columns) in mm: the order of DICOM's PixelSpacing and of `geometry.pixel_spacing`."""


def plain(tensor: Tensor) -> Tensor:
    """The tensor without gradient and without MetaTensor bookkeeping."""
    return tensor.detach().as_subclass(Tensor)


def check_binary(mask: Tensor, name: str) -> Tensor:
    """`mask` as a plain bool tensor.

    Raises:
        ValueError: when it holds other values than 0 and 1; a soft or a {0, 255} mask would silently give wrong counts.
    """
    mask = plain(mask)
    if mask.dtype == torch.bool:
        return mask
    foreground = mask == 1
    if not bool((foreground | (mask == 0)).all()):
        raise ValueError(
            f"Expected `{name}` to hold 0 and 1 only, but got values from {mask.min().item()} to {mask.max().item()}: "
            "threshold it first, e.g. with monai.transforms.AsDiscrete(threshold=0.5)."
        )
    return foreground


def check_masks(y_pred: Tensor, y: Tensor | None) -> tuple[Tensor, Tensor]:
    """Check a batch of binary masks.

    Args:
        y_pred: (B, C, H, W) prediction with values {0, 1}, any dtype.
        y: (B, C, H, W) reference with values {0, 1}, any dtype.

    Returns:
        Both as bool tensors on the device of `y_pred`.

    Raises:
        ValueError: when the reference is missing, the shapes differ or are not (B, C, H, W), or a mask is not binary.
    """
    if y is None:
        raise ValueError("Expected a reference mask `y`, but got None: give the metric (y_pred, y).")
    if y_pred.ndim != 4 or y_pred.shape != y.shape:
        raise ValueError(
            f"Expected `y_pred` and `y` to be (B, C, H, W) of one shape, but got {tuple(y_pred.shape)} and "
            f"{tuple(y.shape)}: bring both to the same pixel grid first."
        )
    return check_binary(y_pred, "y_pred"), check_binary(y, "y").to(y_pred.device)


def is_missing(reference: Tensor) -> bool:
    """Whether a reference mask or contour is missing: NaN everywhere."""
    return reference.is_floating_point() and reference.numel() > 0 and bool(plain(reference).isnan().all())


def check_known_masks(y_pred: Tensor, y: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """Check a batch of binary masks in which references may be missing: channels of ``y`` that are NaN everywhere.

    Args:
        y_pred: (B, C, H, W) prediction with values {0, 1}, any dtype.
        y: (B, C, H, W) reference with values {0, 1}, any dtype, or NaN in whole channels.

    Returns:
        Both as bool tensors on the device of `y_pred`, and (B, C) bool, which references are known. The others are
        empty masks.

    Raises:
        ValueError: as :func:`check_masks`.
    """
    if y is None or not y.is_floating_point() or y.ndim != 4 or y.numel() == 0:
        pred, reference = check_masks(y_pred, y)
        return pred, reference, torch.ones(pred.shape[:2], dtype=torch.bool, device=pred.device)
    y = plain(y)
    known = ~y.isnan().flatten(2).all(2)
    pred, reference = check_masks(y_pred, torch.where(known[..., None, None], y, 0))
    return pred, reference, known.to(pred.device)


def spacing_per_image(spacing: Sequence[Any] | Tensor | np.ndarray | None, number: int) -> list[Any]:
    """One spacing for each of ``number`` images, each as :func:`check_spacing` takes it.

    Args:
        spacing: a list of (row, column) pairs or None, an array or tensor (number, 2), or None for pixels everywhere.
        number: of images.

    Raises:
        ValueError: when there is not one for each image.
    """
    if spacing is None:
        return [None] * number
    expected = f"Expected `spacing` to be None or a (row, column) pair for each of {number} images"
    if isinstance(spacing, (str, bytes)) or not hasattr(spacing, "__len__") or getattr(spacing, "ndim", 1) == 0:
        raise ValueError(f"{expected}, but got {spacing!r}: give a list such as [(1.4, 1.4)] * {number}.")
    if len(spacing) != number:
        raise ValueError(f"{expected}, but got {len(spacing)} for {number} images: give a list of (row, column) pairs.")
    pairs = list(spacing)
    for pair in pairs:
        if pair is not None and not (hasattr(pair, "__len__") and getattr(pair, "ndim", 1) == 1 and len(pair) == 2):
            raise ValueError(f"{expected}, but got {spacing!r}: give a list such as [(1.4, 1.4)] * {number}.")
    return pairs


def check_spacing(spacing: Sequence[float] | Tensor | np.ndarray | None) -> Spacing:
    """(row, column) spacing as two positive floats; None means pixels, (1, 1).

    Raises:
        ValueError: when there are not two values, or one is not finite and positive.
    """
    if spacing is None:
        return 1.0, 1.0
    values = torch.as_tensor(spacing, dtype=torch.float64).flatten()
    if len(values) != 2 or not bool((torch.isfinite(values) & (values > 0)).all()):
        raise ValueError(
            f"Expected `spacing` to be two positive lengths (row, column), but got {values.tolist()}: "
            "pass None to measure in pixels."
        )
    return float(values[0]), float(values[1])
