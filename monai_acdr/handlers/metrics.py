# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Ignite handlers of this package's metrics, like MONAI's handlers.

Mean Dice and mean IoU are MONAI's: `monai.handlers.MeanDice`, `monai.handlers.MeanIoUHandler`.

Masks may have a channel for each structure. Missing references, channels of NaN, are left out, also by MONAI's
handlers. The reduction "mean_batch" gives one value for each channel, a tensor (C,). Lengths are in pixels, or in mm
with every image's own spacing.

The values of several processes are joined, each sample once, in the order of a single process.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from monai.handlers.ignite_metric import IgniteMetricHandler
from monai.utils import MetricReduction

from monai_acdr.geometry import pixel_spacing
from monai_acdr.handlers.processes import sampled_positions
from monai_acdr.metrics import (
    BOUNDARY_TOLERANCES,
    AveragePerpendicularDistanceMetric,
    BoundaryFMetric,
    Hausdorff95Metric,
    PooledDiceMetric,
    ReducedMetric,
    WeightedCoverageMetric,
)

if TYPE_CHECKING:
    from ignite.engine import Engine

__all__ = [
    "AveragePerpendicularDistance",
    "BoundaryF",
    "Hausdorff95",
    "LengthMetricHandler",
    "PooledDice",
    "WeightedCoverage",
    "image_spacing",
]

_UNITS = ("pixel", "mm")


def image_spacing(image: Any) -> tuple[float, float]:
    """(row, column) spacing in mm from the affine of a MetaTensor.

    Raises:
        ValueError: when the tensor carries no affine, or one without two positive spacings.
    """
    affine = getattr(image, "affine", None)
    if affine is None:
        raise ValueError(
            f"Expected a MetaTensor with the image's affine to measure in mm, but got {type(image).__name__}: "
            "keep track_meta on, or measure in pixels."
        )
    row, column = pixel_spacing(affine).tolist()
    if not (row > 0 and column > 0):
        raise ValueError(f"Expected positive spacings in the affine, but got {row}, {column} mm: measure in pixels.")
    return row, column


class _MetricHandler(IgniteMetricHandler):
    """MONAI's handler, without the samples that a ``DistributedSampler`` repeats to give all processes equally many."""

    def iteration_completed(self, engine: Engine) -> None:
        """Update from the engine's output."""
        if sampled_positions(engine, 1) is None:
            self._update_all(engine)
            return
        output = self._output_transform(engine.state.output)
        count = len(sampled_positions(engine, len(output[0])) or ())
        if count == len(output[0]):
            self._update_all(engine)
        elif count > 0:
            self.update(tuple(items[:count] for items in output))

    def _update_all(self, engine: Engine) -> None:
        super().iteration_completed(engine)


class LengthMetricHandler(_MetricHandler):
    """Feed a metric with lists of items and, for mm, the spacing of each reference's image.

    Args:
        metric_fn: takes the keyword `spacing`, one (row, column) pair per item.
        unit: "pixel" or "mm". For mm the references are MetaTensors with the image's affine.
        output_transform: gives (y_pred, y), or for mm better (y_pred, y, has_spacing), from `engine.state.output`:
            `from_engine(["pred_mask", "label", "has_spacing"])`. A file without spacing has an identity affine, which
            only `has_spacing` distinguishes from pixels of 1 mm.
        save_details: whether to put the values of all items into `engine.state.metric_details`.
    """

    def __init__(self, metric_fn: ReducedMetric, unit: str, output_transform: Callable, save_details: bool) -> None:
        if unit not in _UNITS:
            raise ValueError(f"Expected `unit` to be one of {_UNITS}, but got {unit!r}.")
        super().__init__(metric_fn=metric_fn, output_transform=output_transform, save_details=save_details)
        self.unit = unit

    def _update_all(self, engine: Engine) -> None:
        """Update from the output as it is: ignite would unroll lists, and accept no third item."""
        self.update(self._output_transform(engine.state.output))

    def update(self, output: Sequence[Any]) -> None:
        """Add one batch.

        Raises:
            ValueError: when `output` is not (y_pred, y) or (y_pred, y, has_spacing), or the unit is mm and an
                image has no spacing.
        """
        if len(output) not in (2, 3):
            raise ValueError(f"Expected (y_pred, y) or (y_pred, y, has_spacing), but got {len(output)} items.")
        self._is_reduced = False
        y_pred, y = output[:2]
        self.metric_fn(y_pred, y, spacing=self._spacings(y, *output[2:]))

    def _spacings(self, y: Any, has_spacing: Sequence[Any] | None = None) -> list[tuple[float, float]] | None:
        if self.unit == "pixel":
            return None
        if has_spacing is not None and not all(bool(known) for known in has_spacing):
            raise ValueError("Expected a spacing for every image with unit='mm', but one has none: use unit='pixel'.")
        return [image_spacing(item) for item in y]


class PooledDice(_MetricHandler):
    """Handler of :class:`monai_acdr.metrics.PooledDiceMetric`. Pooling takes the place of a `reduction`.

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


class BoundaryF(_MetricHandler):
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
        unit: "pixel" or "mm"; see :class:`monai_acdr.handlers.metrics.LengthMetricHandler`.
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
        unit: "pixel" or "mm"; see :class:`monai_acdr.handlers.metrics.LengthMetricHandler`.
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


class WeightedCoverage(_MetricHandler):
    """Handler of :class:`monai_acdr.metrics.WeightedCoverageMetric`. Area weights take the place of a `reduction`.

    Args:
        output_transform: e.g. `from_engine(["pred_mask", "label"])`; masks or instance maps.
        save_details: whether to keep (covered, reference area) in pixels per image.
    """

    def __init__(self, output_transform: Callable = lambda x: x, save_details: bool = True) -> None:
        super().__init__(
            metric_fn=WeightedCoverageMetric(), output_transform=output_transform, save_details=save_details
        )
