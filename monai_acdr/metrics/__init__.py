# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Metrics of contours and masks: those that MONAI lacks, and records and summaries for reports."""

from __future__ import annotations

from monai_acdr.metrics.area_ratio import compute_area_ratio
from monai_acdr.metrics.boundary_f import BOUNDARY_TOLERANCES, BoundaryFMetric, boundary_map, compute_boundary_f
from monai_acdr.metrics.case_report import (
    ASSUMED_SPACING_MM,
    CASE_COLUMNS,
    EMPTY_POLICY,
    UNKNOWN,
    CaseRecord,
    bootstrap_interval,
    evaluate_case,
    size_group,
    starting_contour_findings,
    summarize_cases,
    summarize_strata,
)
from monai_acdr.metrics.hausdorff import Hausdorff95Metric, compute_hausdorff95, image_diagonal
from monai_acdr.metrics.perpendicular_distance import (
    GOOD_CONTOUR_MM,
    AveragePerpendicularDistanceMetric,
    GoodContours,
    compute_average_perpendicular_distance,
    compute_good_contours,
)
from monai_acdr.metrics.pooled_dice import PooledDiceMetric, compute_dice_counts, compute_pooled_dice, pool_dice_counts
from monai_acdr.metrics.reduced_metric import GatheredMetric, ReducedMetric
from monai_acdr.metrics.weighted_coverage import (
    WeightedCoverageMetric,
    compute_coverage_sums,
    compute_weighted_coverage,
    pool_coverage_sums,
)

__all__ = [
    "ASSUMED_SPACING_MM",
    "BOUNDARY_TOLERANCES",
    "CASE_COLUMNS",
    "EMPTY_POLICY",
    "GOOD_CONTOUR_MM",
    "UNKNOWN",
    "AveragePerpendicularDistanceMetric",
    "BoundaryFMetric",
    "CaseRecord",
    "GatheredMetric",
    "GoodContours",
    "Hausdorff95Metric",
    "PooledDiceMetric",
    "ReducedMetric",
    "WeightedCoverageMetric",
    "bootstrap_interval",
    "boundary_map",
    "compute_area_ratio",
    "compute_average_perpendicular_distance",
    "compute_boundary_f",
    "compute_coverage_sums",
    "compute_dice_counts",
    "compute_good_contours",
    "compute_hausdorff95",
    "compute_pooled_dice",
    "compute_weighted_coverage",
    "evaluate_case",
    "image_diagonal",
    "pool_coverage_sums",
    "pool_dice_counts",
    "size_group",
    "summarize_cases",
    "starting_contour_findings",
    "summarize_strata",
]
