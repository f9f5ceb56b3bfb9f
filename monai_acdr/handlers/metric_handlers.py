# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Ignite handlers of this package's metrics, like MONAI's handlers.

Mean Dice and mean IoU are MONAI's: `monai.handlers.MeanDice`, `monai.handlers.MeanIoUHandler`.

Masks may have a channel for each structure. References that are missing, channels of NaN, are left out, by MONAI's as
well. The reduction "mean_batch" gives one value for each channel, a tensor (C,).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from monai.handlers.ignite_metric import IgniteMetricHandler
from monai.utils import MetricReduction

from monai_acdr.handlers.length_metric import LengthMetricHandler
from monai_acdr.metrics import (
    BOUNDARY_TOLERANCES,
    AveragePerpendicularDistanceMetric,
    BoundaryFMetric,
    Hausdorff95Metric,
    PooledDiceMetric,
    WeightedCoverageMetric,
)

__all__ = ["AveragePerpendicularDistance", "BoundaryF", "Hausdorff95", "PooledDice", "WeightedCoverage"]


class PooledDice(IgniteMetricHandler):
    """Handler of :class:`monai_acdr.metrics.PooledDiceMetric`. It has no `reduction`: pooling is one.

    Args:
        output_transform: e.g. `from_engine(["pred_mask", "label"])`.
        save_details: whether to keep (intersection, prediction, reference) in pixels per image.
        per_class: one value for each channel, a tensor (C,).
    """

    def __init__(
        self, output_transform: Callable = lambda x: x, save_details: bool = True, per_class: bool = False
    ) -> None:
        metric_fn = PooledDiceMetric(per_class)
        super().__init__(metric_fn=metric_fn, output_transform=output_transform, save_details=save_details)


class BoundaryF(IgniteMetricHandler):
    """Handler of :class:`monai_acdr.metrics.BoundaryFMetric`.

    Args:
        tolerances: in pixels.
        reduction: MONAI's reduction mode.
        output_transform: e.g. `from_engine(["pred_mask", "label"])`.
        save_details: whether to keep the values per image.
    """

    def __init__(
        self,
        tolerances: Sequence[float] = BOUNDARY_TOLERANCES,
        reduction: MetricReduction | str = MetricReduction.MEAN,
        output_transform: Callable = lambda x: x,
        save_details: bool = True,
    ) -> None:
        metric_fn = BoundaryFMetric(tolerances, reduction)
        super().__init__(metric_fn=metric_fn, output_transform=output_transform, save_details=save_details)


class Hausdorff95(LengthMetricHandler):
    """Handler of :class:`monai_acdr.metrics.Hausdorff95Metric`: finite for empty masks, spacing per image.

    Args:
        unit: "pixel" or "mm"; see :class:`monai_acdr.handlers.length_metric.LengthMetricHandler`.
        percentile: 0 to 100.
        reduction: MONAI's reduction mode.
        output_transform: e.g. `from_engine(["pred_mask", "label"])`, with "has_spacing" added for mm.
        save_details: whether to keep the values per image.
    """

    def __init__(
        self,
        unit: str = "pixel",
        percentile: float = 95.0,
        reduction: MetricReduction | str = MetricReduction.MEAN,
        output_transform: Callable = lambda x: x,
        save_details: bool = True,
    ) -> None:
        super().__init__(Hausdorff95Metric(percentile, reduction), unit, output_transform, save_details)


class AveragePerpendicularDistance(LengthMetricHandler):
    """Handler of :class:`monai_acdr.metrics.AveragePerpendicularDistanceMetric`.

    Args:
        unit: "pixel" or "mm"; see :class:`monai_acdr.handlers.length_metric.LengthMetricHandler`.
        reduction: MONAI's reduction mode.
        output_transform: e.g. `from_engine(["pred", "reference"])`, with "has_spacing" added for mm; lists of contours
            (K, 2), (1, K, 2) or (N, K, 2) in image pixels, the references MetaTensors with the image's affine for mm.
        save_details: whether to keep the values per contour.
    """

    def __init__(
        self,
        unit: str = "pixel",
        reduction: MetricReduction | str = MetricReduction.MEAN,
        output_transform: Callable = lambda x: x,
        save_details: bool = True,
    ) -> None:
        super().__init__(AveragePerpendicularDistanceMetric(reduction), unit, output_transform, save_details)


class WeightedCoverage(IgniteMetricHandler):
    """Handler of :class:`monai_acdr.metrics.WeightedCoverageMetric`. It has no `reduction`: the area weights are one.

    Args:
        output_transform: e.g. `from_engine(["pred_mask", "label"])`; masks or instance maps.
        save_details: whether to keep (covered, reference area) in pixels per image.
    """

    def __init__(self, output_transform: Callable = lambda x: x, save_details: bool = True) -> None:
        super().__init__(
            metric_fn=WeightedCoverageMetric(), output_transform=output_transform, save_details=save_details
        )
