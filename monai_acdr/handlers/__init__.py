# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Ignite handlers: metrics of contours and masks, and the evaluation report."""

from __future__ import annotations

from monai_acdr.handlers.atomic_files import write_text_atomically
from monai_acdr.handlers.evaluation_report import EvaluationReport, evaluate_output
from monai_acdr.handlers.length_metric import LengthMetricHandler, image_spacing
from monai_acdr.handlers.metric_handlers import (
    AveragePerpendicularDistance,
    BoundaryF,
    Hausdorff95,
    PooledDice,
    WeightedCoverage,
)

__all__ = [
    "AveragePerpendicularDistance",
    "BoundaryF",
    "EvaluationReport",
    "Hausdorff95",
    "LengthMetricHandler",
    "PooledDice",
    "WeightedCoverage",
    "evaluate_output",
    "image_spacing",
    "write_text_atomically",
]
