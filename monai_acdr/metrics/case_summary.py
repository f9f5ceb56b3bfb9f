# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""All figures of a data set, with intervals over patients: a pure function from case records to one dictionary."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from monai_acdr.metrics.bootstrap import bootstrap_interval
from monai_acdr.metrics.case_record import EMPTY_POLICY, CaseRecord
from monai_acdr.metrics.perpendicular_distance import GOOD_CONTOUR_MM, compute_good_contours
from monai_acdr.metrics.pooled_dice import pool_dice_counts
from monai_acdr.metrics.weighted_coverage import pool_coverage_sums

__all__ = ["ASSUMED_SPACING_MM", "summarize_cases"]

ASSUMED_SPACING_MM = 1.3
"""Pixel spacing taken for the 5 mm rule of good contours where an image has none; Sunnybrook has 1.289-1.367 mm."""

_MEANS = {
    "mean_dice": "dice",
    "mean_iou": "iou",
    "hd95_px": "hd95_px",
    "hd95_mm": "hd95_mm",
    "apd_px": "apd_px",
    "apd_mm": "apd_mm",
    "boundf": "boundf",
    "mean_roi_dice": "roi_dice",
    "mean_area_error_mm2": "area_error_mm2",
}

_LISTED = {
    "missing_predictions": "missing_prediction",
    "empty_predictions": "empty_prediction",
    "invalid_contours": "invalid_contour",
    "empty_references": "empty_reference",
    "without_reference": "no_reference",
}


class _Figure(NamedTuple):
    """Values, one or a row per case, their patients, and what is computed from them."""

    values: np.ndarray
    patients: list[str]
    statistic: Callable[[np.ndarray], float]


def summarize_cases(
    records: Sequence[CaseRecord],
    *,
    assumed_spacing_mm: float = ASSUMED_SPACING_MM,
    good_threshold_mm: float = GOOD_CONTOUR_MM,
    level: float = 0.95,
    num_samples: int = 2000,
    seed: int = 0,
) -> dict[str, Any]:
    """Every figure of a set of cases, ready for JSON.

    Args:
        records: from :func:`monai_acdr.metrics.case_record.evaluate_case`. A case without patient is its own.
        assumed_spacing_mm: stands in for the spacing of images that have none, for good contours only.
        good_threshold_mm: see :data:`monai_acdr.metrics.perpendicular_distance.GOOD_CONTOUR_MM`.
        level: of the intervals; 0.95 gives keys that end in `_ci95`.
        num_samples: bootstrap samples.
        seed: of the bootstrap.

    Returns:
        Counts (`num_cases` scored, `num_patients`, `num_with_spacing`, `num_with_contour`), the names of degenerate
        cases by kind, `spacing` in words, and the figures. A figure over no case is None, and so is an interval over
        fewer than two patients. Figures in mm are over the cases whose spacing is known; `good_apd_mm` is None
        unless that is all of them. `good_dice` and `good_apd` carry no interval: which contours they cover varies.
    """
    scored = [record for record in records if record["dice"] is not None]
    summary = _counts(records, scored)
    summary["spacing"] = _spacing_in_words(scored, assumed_spacing_mm)
    suffix = f"_ci{level * 100:g}"
    for name, figure in _figures(scored, assumed_spacing_mm, good_threshold_mm).items():
        summary[name] = float(figure.statistic(figure.values)) if len(figure.values) else None
        summary[name + suffix] = _interval(figure, level, num_samples, seed)
    return summary | _good_contours(scored, assumed_spacing_mm, good_threshold_mm)


def _counts(records: Sequence[CaseRecord], scored: Sequence[CaseRecord]) -> dict[str, Any]:
    counts: dict[str, Any] = {
        "num_cases": len(scored),
        "num_patients": len(set(_patients(scored))),
        "num_with_spacing": sum(record["row_spacing_mm"] is not None for record in scored),
        "num_with_contour": sum(record["apd_px"] is not None for record in scored),
    }
    listed = {key: [r["name"] for r in records if r["status"] == status] for key, status in _LISTED.items()}
    return counts | listed | {"empty_policy": EMPTY_POLICY}


def _patients(records: Sequence[CaseRecord]) -> list[str]:
    return [record["patient"] or record["name"] for record in records]


def _spacing_in_words(records: Sequence[CaseRecord], assumed_spacing_mm: float) -> str:
    known = sum(record["row_spacing_mm"] is not None for record in records)
    assumed = f"assumed {assumed_spacing_mm:g} mm"
    if known == 0:
        return assumed
    unknown = len(records) - known
    return f"from images ({known} cases), {assumed} ({unknown} cases)" if unknown else "from images"


def _figures(records: Sequence[CaseRecord], assumed_spacing_mm: float, good_threshold_mm: float) -> dict[str, _Figure]:
    measured = {name: _select(records, lambda record, key=key: record[key]) for name, key in _MEANS.items()}  # type: ignore[misc]
    figures = {name: _Figure(values, patients, np.mean) for name, (values, patients) in measured.items()}
    errors, patients = measured["mean_area_error_mm2"]
    figures["mean_absolute_area_error_mm2"] = _Figure(np.abs(errors), patients, np.mean)
    figures["median_dice"] = figures["mean_dice"]._replace(statistic=np.median)
    figures["pooled_dice"] = _Figure(*_select(records, _dice_counts), _pooled(pool_dice_counts))
    figures["wcov"] = _Figure(*_select(records, _coverage_sums), _pooled(pool_coverage_sums))
    rows = _select(records, lambda record: _distance_and_dice(record, assumed_spacing_mm))
    figures["good_contours_percent"] = _Figure(
        *rows, lambda pairs: 100 * float(np.mean(pairs[:, 0] < good_threshold_mm))
    )
    return figures


def _select(records: Sequence[CaseRecord], value: Callable[[CaseRecord], Any]) -> tuple[np.ndarray, list[str]]:
    """Values that exist, and the patients they belong to."""
    kept = [(value(record), patient) for record, patient in zip(records, _patients(records), strict=True)]
    kept = [pair for pair in kept if pair[0] is not None]
    return np.array([pair[0] for pair in kept], dtype=np.float64), [pair[1] for pair in kept]


def _pooled(pool: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[np.ndarray], float]:
    return lambda rows: float(pool(torch.from_numpy(rows)))


def _dice_counts(record: CaseRecord) -> tuple[Any, ...]:
    return record["intersection_px"], record["pred_area_px"], record["reference_area_px"]


def _coverage_sums(record: CaseRecord) -> tuple[float, float] | None:
    """One object per case, so the best overlapping prediction is the prediction."""
    iou, area = record["iou"], record["reference_area_px"]
    return (iou * area, area) if iou is not None and area else None


def _distance_and_dice(record: CaseRecord, assumed_spacing_mm: float) -> tuple[float, float] | None:
    pixels, mm, dice = record["apd_px"], record["apd_mm"], record["dice"]
    if pixels is None or dice is None:
        return None
    return (pixels * assumed_spacing_mm if mm is None else mm), dice


def _good_contours(records: Sequence[CaseRecord], assumed_spacing_mm: float, threshold: float) -> dict[str, Any]:
    """The challenge's averages over good contours."""
    pairs, _ = _select(records, lambda record: _distance_and_dice(record, assumed_spacing_mm))
    if len(pairs) == 0:
        return {"good_dice": None, "good_apd_mm": None, "good_apd_px": None}
    good = compute_good_contours(pairs[:, 0].tolist(), pairs[:, 1].tolist(), threshold)
    pixels, _ = _select(records, lambda record: record["apd_px"])
    good_pixels = pixels[pairs[:, 0] < threshold]
    known = all(record["apd_mm"] is not None for record in records if record["apd_px"] is not None)
    return {
        "good_dice": good.dice,
        "good_apd_mm": good.distance if known else None,
        "good_apd_px": float(good_pixels.mean()) if len(good_pixels) else None,
    }


def _interval(figure: _Figure, level: float, num_samples: int, seed: int) -> list[float] | None:
    if len(set(figure.patients)) < 2:
        return None
    return list(bootstrap_interval(figure.values, figure.patients, figure.statistic, level, num_samples, seed))
