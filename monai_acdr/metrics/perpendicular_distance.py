# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Average perpendicular distance and good contours: the measures of the MICCAI 2009 LV challenge.

Radau et al. 2009, "Evaluation framework for algorithms segmenting short axis cardiac MRI", MIDAS Journal: the distance
from the automatic contour to the expert's, averaged over the automatic contour's points; a contour is good below 5 mm;
Dice and distance are averaged over good contours, with their percentage beside them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from monai_acdr.geometry import check_vertices, resample
from monai_acdr.metrics.inputs import check_spacing, is_missing, plain, spacing_per_image
from monai_acdr.metrics.reduced_metric import ReducedMetric

__all__ = [
    "GOOD_CONTOUR_MM",
    "AveragePerpendicularDistanceMetric",
    "GoodContours",
    "compute_average_perpendicular_distance",
    "compute_good_contours",
]

GOOD_CONTOUR_MM = 5.0
"""A contour is good when its average perpendicular distance is below this, in mm (Radau et al. 2009)."""

_NUM_SAMPLES = 512
"""Points on the automatic contour: 0.2 px apart on a ventricle of 100 px perimeter."""


def compute_average_perpendicular_distance(
    pred: Tensor,
    reference: Tensor,
    spacing: Sequence[float] | Tensor | np.ndarray | None = None,
    num_samples: int = _NUM_SAMPLES,
) -> Tensor:
    """Mean distance of the predicted contour's points to the reference's closed polyline.

    The prediction is resampled at equal arc length, so the value depends on its course and not on where its
    vertices lie. The measure is directed: swapping the contours gives another value.

    Args:
        pred: (K, 2) or (1, K, 2) vertices (x, y), K >= 1, not closed.
        reference: (N, 2) or (1, N, 2) vertices (x, y), N >= 1, not closed; its edges count, not only its vertices.
        spacing: (row, column) spacing in mm of vertices given in pixels: x is scaled by the column spacing, y by the
            row spacing. None: distances in the vertices' own unit.
        num_samples: points on the prediction.

    Returns:
        Scalar tensor, float64.

    Raises:
        ValueError: when a shape does not fit, or a coordinate is not finite.
    """
    row, column = check_spacing(spacing)
    scale = torch.tensor([column, row], dtype=torch.float64)
    points = resample(_contour(pred, "pred") * scale, num_samples)
    return _distance_to_polyline(points, _contour(reference, "reference") * scale).mean()


def _contour(vertices: Tensor, name: str) -> Tensor:
    """(K, 2) float64 on the CPU."""
    vertices = plain(torch.as_tensor(vertices)).to("cpu", torch.float64)
    if vertices.ndim == 3 and vertices.shape[0] == 1:
        vertices = vertices[0]
    if vertices.ndim != 2:
        raise ValueError(f"Expected `{name}` to be one contour, (K, 2) or (1, K, 2), but got {tuple(vertices.shape)}.")
    check_vertices(vertices, minimum=1)
    if not bool(torch.isfinite(vertices).all()):
        raise ValueError(
            f"Expected `{name}` to have finite coordinates, but got NaN or infinity: did training diverge?"
        )
    return vertices


def _distance_to_polyline(points: Tensor, polygon: Tensor) -> Tensor:
    """(P,) distances of points (P, 2) to the nearest point on the edges of the closed polygon (N, 2)."""
    edges = polygon.roll(-1, 0) - polygon
    offsets = points[:, None] - polygon
    squared_length = edges.square().sum(-1)
    safe_length = torch.where(squared_length > 0, squared_length, torch.ones_like(squared_length))
    along = ((offsets * edges).sum(-1) / safe_length).clamp(0, 1)
    return (offsets - along[..., None] * edges).square().sum(-1).amin(-1).sqrt()


class GoodContours(NamedTuple):
    """The challenge's three metrics; `dice` and `distance` are None when no contour is good."""

    percent: float
    dice: float | None
    distance: float | None


def compute_good_contours(
    distances: Sequence[float], dices: Sequence[float], threshold: float = GOOD_CONTOUR_MM
) -> GoodContours:
    """Percentage of good contours, whose distance lies below the threshold, and means over the good contours.

    Args:
        distances: average perpendicular distances in mm, one per contour, lost contours included (as large values).
        dices: Dice values of the same contours.
        threshold: in mm.

    Raises:
        ValueError: when the lists differ in length or are empty.
    """
    if len(distances) != len(dices) or len(distances) == 0:
        raise ValueError(
            f"Expected one distance and one Dice per contour, at least one, but got {len(distances)} and {len(dices)}."
        )
    good = [(distance, dice) for distance, dice in zip(distances, dices, strict=True) if distance < threshold]
    percent = 100.0 * len(good) / len(distances)
    if not good:
        return GoodContours(percent, None, None)
    return GoodContours(percent, sum(d for _, d in good) / len(good), sum(d for d, _ in good) / len(good))


class AveragePerpendicularDistanceMetric(ReducedMetric):
    """Cumulative :func:`compute_average_perpendicular_distance`.

    Call it with lists of contours, (K, 2) or (1, K, 2), of any lengths, or (N, K, 2) of N structures:
    `metric([pred, ...], [reference, ...], spacing=[(row, column), ...])`; without `spacing` the result is in pixels.
    The buffer is (number of images, N), NaN for references that are NaN everywhere, which are missing.
    """

    def _compute_tensor(self, y_pred: Tensor, y: Tensor | None = None, **kwargs: Any) -> Tensor:
        if y is None or len(y) != len(y_pred):
            raise ValueError("Expected one reference contour per predicted contour: give the metric (y_pred, y).")
        spacings = spacing_per_image(kwargs.get("spacing"), len(y_pred))
        values = [_by_structure(*each) for each in zip(y_pred, y, spacings, strict=True)]
        return torch.tensor(values, dtype=torch.float32)


def _by_structure(pred: Tensor, reference: Tensor, spacing: Sequence[float] | None) -> list[float]:
    """Distance for each structure of one image, NaN where the reference is missing."""
    preds, references = (value if value.ndim == 3 else value[None] for value in (pred, reference))
    if len(preds) != len(references):
        raise ValueError(
            f"Expected a reference contour for each structure, but got {len(preds)} contours and {len(references)} "
            "references: fill those that are missing with NaN."
        )
    return [
        math.nan if is_missing(other) else float(compute_average_perpendicular_distance(one, other, spacing))
        for one, other in zip(preds, references, strict=True)
    ]
