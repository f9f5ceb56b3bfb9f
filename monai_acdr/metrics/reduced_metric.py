# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Base class of metrics that give one value per image and channel and are then averaged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from monai.metrics.metric import CumulativeIterationMetric
from monai.metrics.utils import do_metric_reduction
from monai.utils import MetricReduction
from torch import Tensor

from monai_acdr.metrics.inputs import spacing_per_image

__all__ = ["ReducedMetric"]


class ReducedMetric(CumulativeIterationMetric):
    """Buffer values (B, C) and reduce them at the end; a keyword `spacing` may hold one spacing per image.

    Empty masks have documented values. Only a reference that is missing, NaN everywhere, gives NaN, which MONAI's
    reductions leave out: "mean" is over all references that are known.

    Args:
        reduction: how `aggregate` joins the buffered values: "mean", "sum", "none" and MONAI's other modes;
            "mean_batch" gives one value for each channel.
    """

    def __init__(self, reduction: MetricReduction | str = MetricReduction.MEAN) -> None:
        super().__init__()
        self.reduction = reduction

    def _compute_list(self, y_pred: Any, y: Any = None, spacing: Sequence[Any] | None = None, **kwargs: Any) -> Tensor:
        """Values of a list of images, which may differ in size; `spacing` holds one (row, column) pair per image.

        Raises:
            ValueError: when the lists differ in length (MONAI's own loop would drop the surplus silently).
        """
        if y is None or len(y_pred) != len(y):
            raise ValueError(
                f"Expected as many references as predictions, but got {len(y_pred)} predictions and "
                f"{None if y is None else len(y)} references."
            )
        spacings = spacing_per_image(spacing, len(y_pred))
        values = [
            self._compute_tensor(pred[None], reference[None], spacing=[one], **kwargs)
            for pred, reference, one in zip(y_pred, y, spacings, strict=True)
        ]
        return torch.cat([torch.as_tensor(value) for value in values])

    def aggregate(self, reduction: MetricReduction | str | None = None) -> Tensor:
        """Join the values of all images, over all processes.

        Raises:
            ValueError: when no image was given.
        """
        data = self.get_buffer()
        if not isinstance(data, Tensor):
            raise ValueError("Expected at least one image before `aggregate`, but the buffer is empty.")
        reduced, _ = do_metric_reduction(data, reduction or self.reduction)
        return torch.as_tensor(reduced)
