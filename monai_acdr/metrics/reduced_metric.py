# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Base classes of metrics: values of all processes in one order, and averages of one value per image and channel."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import torch
from monai.metrics.metric import CumulativeIterationMetric
from monai.metrics.utils import do_metric_reduction
from monai.utils import MetricReduction, evenly_divisible_all_gather, string_list_all_gather
from torch import Tensor, distributed

from monai_acdr.metrics.inputs import spacing_per_image

__all__ = ["GatheredMetric", "ReducedMetric"]


class GatheredMetric(CumulativeIterationMetric):
    """Join the values of all processes in the order of a single process.

    A ``DistributedSampler`` deals samples out in turns, so the values are taken in turns, and sums are those of one
    process to the last bit. A process without any sample takes part; MONAI's own metrics would wait for it forever.
    """

    def _sync(self) -> None:
        if self._synced or not (distributed.is_available() and distributed.is_initialized()):
            super()._sync()
            return
        own = [torch.stack(values) for values in self._buffers or ()]
        form = json.dumps([[str(column.dtype), list(column.shape)] for column in own])
        forms = [json.loads(text) for text in string_list_all_gather([form])]
        kinds = {json.dumps([[dtype, shape[1:]] for dtype, shape in columns]) for columns in forms if columns}
        if len(kinds) > 1:
            raise ValueError(
                f"Expected values of one shape and dtype in all processes, but got {' and '.join(sorted(kinds))}: give "
                "each of them images with the same channels."
            )
        self._synced = True
        if not kinds:
            return
        if not own:
            described = json.loads(kinds.pop())
            own = [torch.empty(0, *shape, dtype=getattr(torch, dtype.partition(".")[2])) for dtype, shape in described]
        counts = [columns[0][1][0] if columns else 0 for columns in forms]
        starts = [sum(counts[:rank]) for rank in range(len(counts))]
        turns = [
            start + turn
            for turn in range(max(counts))
            for start, count in zip(starts, counts, strict=True)
            if turn < count
        ]
        self._synced_tensors = [evenly_divisible_all_gather(column, concat=True)[turns] for column in own]


class ReducedMetric(GatheredMetric):
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
