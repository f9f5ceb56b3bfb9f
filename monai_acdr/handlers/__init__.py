# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Ignite handlers: metrics, the evaluation report, checkpoints, and results of an inference on disk."""

from __future__ import annotations

from monai_acdr.handlers.checkpoints import (
    TrainingCheckpoint,
    check_new_training,
    count_members,
    has_own_weights,
    join_checkpoints,
    load_checkpoint,
    load_network,
    save_checkpoint,
    write_ensemble,
)
from monai_acdr.handlers.contour_writer import ContourWriter, contour_record
from monai_acdr.handlers.evaluation_report import EvaluationReport, ReportOptions, evaluate_output
from monai_acdr.handlers.metrics import (
    AveragePerpendicularDistance,
    BoundaryF,
    Hausdorff95,
    LengthMetricHandler,
    PooledDice,
    WeightedCoverage,
    image_spacing,
)
from monai_acdr.handlers.prepare_batch import PrepareFrames, PrepareViews
from monai_acdr.handlers.processes import SyncBatchStatistics, distribute, join_processes, process_device
from monai_acdr.handlers.training import (
    CloseTensorBoard,
    EpochSeed,
    GradientClip,
    TimeLimit,
    TrainingProgress,
    ValidationHandler,
)

__all__ = [
    "AveragePerpendicularDistance",
    "BoundaryF",
    "CloseTensorBoard",
    "ContourWriter",
    "EpochSeed",
    "EvaluationReport",
    "ReportOptions",
    "GradientClip",
    "Hausdorff95",
    "LengthMetricHandler",
    "PooledDice",
    "PrepareFrames",
    "PrepareViews",
    "SyncBatchStatistics",
    "TimeLimit",
    "TrainingCheckpoint",
    "TrainingProgress",
    "ValidationHandler",
    "WeightedCoverage",
    "check_new_training",
    "contour_record",
    "distribute",
    "evaluate_output",
    "image_spacing",
    "count_members",
    "has_own_weights",
    "join_checkpoints",
    "join_processes",
    "load_checkpoint",
    "load_network",
    "process_device",
    "save_checkpoint",
    "write_ensemble",
]
