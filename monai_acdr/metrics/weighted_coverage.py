# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""WCov: weighted coverage of the reference objects, as in DARNet (Cheng et al. 2019).

    WCov = sum_i |R_i| max_j IoU(R_i, S_j) / sum_i |R_i|

over all reference objects i of a data set, j running over the predicted objects of the same image. The published
ACDRNet code reports a ratio of two areas under this name; that one is `compute_area_ratio`.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from monai_acdr.metrics.inputs import is_missing, plain
from monai_acdr.metrics.reduced_metric import GatheredMetric

__all__ = ["WeightedCoverageMetric", "compute_coverage_sums", "compute_weighted_coverage", "pool_coverage_sums"]


def compute_coverage_sums(y_pred: Tensor, y: Tensor | None) -> Tensor:
    """Numerator and denominator of the weighted coverage, per image.

    Args:
        y_pred: (B, 1, H, W) predicted instances: 0 is background, each other value one object. A {0, 1} mask is one
            object, even where it falls into several parts.
        y: (B, 1, H, W) reference instances, numbered independently. One that is NaN everywhere is missing: its image
            is left out, with sums of 0.

    Returns:
        (B, 2) float64: sum_i |R_i| max_j IoU(R_i, S_j), and sum_i |R_i|, in pixels.

    Raises:
        ValueError: when shapes differ, or values are not whole numbers >= 0.
    """
    if y is None or y_pred.ndim != 4 or y_pred.shape[1] != 1 or y_pred.shape != y.shape:
        raise ValueError(
            f"Expected `y_pred` and `y` to be instance maps (B, 1, H, W) of one shape, but got {tuple(y_pred.shape)} "
            f"and {None if y is None else tuple(y.shape)}."
        )
    y = torch.stack([torch.zeros_like(plain(one)) if is_missing(one) else plain(one) for one in y]) if len(y) else y
    pairs = zip(_instances(y_pred, "y_pred"), _instances(y, "y"), strict=True)
    return torch.stack([_image_sums(pred, reference) for pred, reference in pairs])


def _instances(labels: Tensor, name: str) -> Tensor:
    labels = plain(labels).cpu()
    whole = labels.to(torch.int64)
    if not bool((whole == labels).all()) or bool((whole < 0).any()):
        raise ValueError(
            f"Expected `{name}` to hold whole instance numbers >= 0, but got values from {labels.min().item()} to "
            f"{labels.max().item()}: threshold soft masks first."
        )
    return whole


def _image_sums(pred: Tensor, reference: Tensor) -> Tensor:
    """(2,) sums of one image (1, H, W), from the table of overlaps between all objects."""
    pred_ids, pred_index = pred.flatten().unique(return_inverse=True)
    reference_ids, reference_index = reference.flatten().unique(return_inverse=True)
    shape = (len(reference_ids), len(pred_ids))
    counts = torch.bincount(reference_index * shape[1] + pred_index, minlength=shape[0] * shape[1])
    overlaps = counts.reshape(shape).to(torch.float64)
    reference_areas, pred_areas = overlaps.sum(1, keepdim=True), overlaps.sum(0, keepdim=True)
    iou = overlaps / (reference_areas + pred_areas - overlaps)
    iou[:, pred_ids == 0] = 0
    areas = reference_areas[reference_ids > 0, 0]
    return torch.stack([(areas * iou[reference_ids > 0].amax(1)).sum(), areas.sum()])


def pool_coverage_sums(sums: Tensor) -> Tensor:
    """Weighted coverage, a scalar, of the rows (N, 2) of :func:`compute_coverage_sums`; (C,) of C sets, (N, C, 2).

    NaN when no image has a reference object: coverage is then undefined, and nothing measures false positives.
    """
    covered, area = sums.to(torch.float64).sum(0).unbind(-1)
    return covered / area


def compute_weighted_coverage(y_pred: Tensor, y: Tensor) -> Tensor:
    """Weighted coverage of a batch taken as one data set: arguments as in :func:`compute_coverage_sums`.

    A predicted object without a reference object costs nothing in this measure, by its definition.
    """
    return pool_coverage_sums(compute_coverage_sums(y_pred, y))


class WeightedCoverageMetric(GatheredMetric):
    """Weighted coverage over everything seen since the last reset, on all processes; see the module's equation."""

    def _compute_tensor(self, y_pred: Tensor, y: Tensor | None = None, **kwargs: Any) -> Tensor:
        return compute_coverage_sums(y_pred, y)

    def aggregate(self) -> Tensor:
        """The weighted coverage, a scalar tensor.

        Raises:
            ValueError: when no image was given, or none has a reference object.
        """
        sums = self.get_buffer()
        if not isinstance(sums, Tensor):
            raise ValueError("Expected at least one image before `aggregate`, but the buffer is empty.")
        if not bool((sums[:, 1] > 0).any()):
            raise ValueError("Expected a reference object in at least one image, but all references are empty.")
        return pool_coverage_sums(sums)
