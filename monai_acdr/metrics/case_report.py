# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Report of an evaluation: one record per case, its summary with bootstrap intervals over patients, and strata."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, NamedTuple, TypedDict, cast

import numpy as np
import torch
from monai.metrics.meandice import compute_dice
from monai.metrics.meaniou import compute_iou
from numpy.typing import ArrayLike
from torch import Tensor

from monai_acdr.metrics.boundary_f import compute_boundary_f
from monai_acdr.metrics.hausdorff import compute_hausdorff95, image_diagonal
from monai_acdr.metrics.inputs import Spacing, check_masks, check_spacing
from monai_acdr.metrics.perpendicular_distance import (
    GOOD_CONTOUR_MM,
    compute_average_perpendicular_distance,
    compute_good_contours,
)
from monai_acdr.metrics.pooled_dice import compute_dice_counts, pool_dice_counts
from monai_acdr.metrics.weighted_coverage import pool_coverage_sums
from monai_acdr.plausibility import Finding

__all__ = [
    "ASSUMED_SPACING_MM",
    "CASE_COLUMNS",
    "EMPTY_POLICY",
    "UNKNOWN",
    "CaseRecord",
    "bootstrap_interval",
    "evaluate_case",
    "size_group",
    "starting_contour_findings",
    "summarize_cases",
    "summarize_strata",
]

EMPTY_POLICY = (
    "Prediction or reference empty: dice, iou, boundf 0 and hd95 the image's diagonal; both empty: dice, iou, boundf 1 "
    "and hd95 0. A missing prediction counts as empty; a lost or invalid contour has the image's diagonal as apd."
)
"""The values of degenerate cases, in words, for reports."""


class CaseRecord(TypedDict):
    """One row of a report; None is "not known", never zero. Units are in the names; masks live on the original grid.

    `area_error_mm2` is the predicted area less that of the reference. `initial_dice` is the Dice of the contour
    that the evolution started from, on the same grid as `dice`.

    `status` is "ok", or the first that applies of "no_reference" (nothing is measured), "missing_prediction",
    "empty_reference", "empty_prediction", "invalid_contour" (no vertex, or not finite).
    """

    name: str
    patient: str
    group: str
    status: str
    dice: float | None
    iou: float | None
    hd95_px: float | None
    hd95_mm: float | None
    apd_px: float | None
    apd_mm: float | None
    boundf: float | None
    intersection_px: int | None
    pred_area_px: int | None
    reference_area_px: int | None
    pred_area_mm2: float | None
    reference_area_mm2: float | None
    area_error_mm2: float | None
    row_spacing_mm: float | None
    column_spacing_mm: float | None
    roi_dice: float | None
    initial_dice: float | None


CASE_COLUMNS: tuple[str, ...] = tuple(CaseRecord.__annotations__)
"""The fields of a record in the order in which they are written."""


def evaluate_case(
    pred_mask: Tensor | None,
    label: Tensor | None,
    *,
    pred: Tensor | None = None,
    reference: Tensor | None = None,
    spacing: Sequence[float] | Tensor | np.ndarray | None = None,
    name: str = "",
    patient: str = "",
    group: str = "",
) -> CaseRecord:
    """Measure one case.

    Args:
        pred_mask: (1, H, W) binary prediction; None when it is missing, which scores like an empty one.
        label: (1, H, W) binary reference on the same grid; None without a reference, and nothing is measured.
        pred: (K, 2) or (1, K, 2) predicted vertices (x, y) in pixels of that grid; None for methods without contour.
        reference: (N, 2) or (1, N, 2) reference vertices in the same pixels, or None.
        spacing: (row, column) spacing in mm, or None when it is not known.
        name: of the case.
        patient: patient that the case belongs to.
        group: group of the data set that the case belongs to.

    Returns:
        The record, with ``roi_dice`` and ``initial_dice`` None for the caller to fill in; see :data:`EMPTY_POLICY` for
        degenerate cases.

    Raises:
        ValueError: naming the case, when shapes differ, a mask is not binary, or the spacing is not positive.
    """
    record = _blank(name, patient, group)
    try:
        if spacing is not None:
            record["row_spacing_mm"], record["column_spacing_mm"] = spacing = check_spacing(spacing)
        if label is not None:
            _measure(record, pred_mask, label, spacing)
            _measure_contour(record, pred, reference, label.shape[-2:], spacing)
    except ValueError as error:
        raise ValueError(f"Case {name!r}: {error}") from error
    return record


def _blank(name: str, patient: str, group: str) -> CaseRecord:
    known = {"name": name, "patient": patient, "group": group, "status": "no_reference"}
    return cast(CaseRecord, dict.fromkeys(CASE_COLUMNS) | known)


def _measure(record: CaseRecord, pred_mask: Tensor | None, label: Tensor, spacing: Spacing | None) -> None:
    """Fill in the measures of the two masks."""
    pred, reference = check_masks(torch.zeros_like(label)[None] if pred_mask is None else pred_mask[None], label[None])
    intersection, pred_area, reference_area = compute_dice_counts(pred, reference)[0].tolist()
    record["status"] = _status(pred_mask is None, pred_area, reference_area)
    record["dice"] = float(compute_dice(pred, reference, ignore_empty=False))
    record["iou"] = float(compute_iou(pred, reference, ignore_empty=False))
    record["boundf"] = float(compute_boundary_f(pred, reference))
    record["intersection_px"] = intersection
    record["pred_area_px"], record["reference_area_px"] = pred_area, reference_area
    record["hd95_px"], record["hd95_mm"] = _in_pixels_and_mm(
        lambda scale: float(compute_hausdorff95(pred, reference, None if scale is None else [scale])), spacing
    )
    if spacing is not None:
        pixel = spacing[0] * spacing[1]
        record["pred_area_mm2"], record["reference_area_mm2"] = pred_area * pixel, reference_area * pixel
        record["area_error_mm2"] = (pred_area - reference_area) * pixel


def _measure_contour(
    record: CaseRecord, pred: Tensor | None, reference: Tensor | None, size: Sequence[int], spacing: Spacing | None
) -> None:
    """Fill in the perpendicular distance, where both a reference contour and a prediction should exist."""
    missing = record["status"] == "missing_prediction"
    if reference is None or reference.numel() == 0 or (pred is None and not missing):
        return
    if pred is not None and pred.numel() > 0 and bool(torch.isfinite(pred).all()) and not missing:
        contours = pred, reference
        record["apd_px"], record["apd_mm"] = _in_pixels_and_mm(
            lambda scale: float(compute_average_perpendicular_distance(*contours, scale)), spacing
        )
        return
    record["apd_px"], record["apd_mm"] = _in_pixels_and_mm(lambda scale: image_diagonal(size, scale), spacing)
    if record["status"] == "ok":
        record["status"] = "invalid_contour"


def _in_pixels_and_mm(
    measure: Callable[[Spacing | None], float], spacing: Spacing | None
) -> tuple[float, float | None]:
    """A length in both units; square pixels need no second measurement."""
    pixels = measure(None)
    if spacing is None:
        return pixels, None
    return pixels, pixels * spacing[0] if spacing[0] == spacing[1] else measure(spacing)


def _status(missing: bool, pred_area: int, reference_area: int) -> str:
    if missing:
        return "missing_prediction"
    if reference_area == 0:
        return "empty_reference"
    return "ok" if pred_area > 0 else "empty_prediction"


def bootstrap_interval(
    values: ArrayLike,
    groups: Sequence[Hashable],
    statistic: Callable[[np.ndarray], float] = np.mean,
    level: float = 0.95,
    num_samples: int = 2000,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile interval of a statistic under resampling of whole groups (cluster bootstrap).

    Each sample draws as many groups as there are, with replacement, and the statistic is that of all their values.
    See Davison and Hinkley 1997, "Bootstrap Methods and their Application", section 3.8. With few groups
    (15 patients) percentile intervals are somewhat too narrow.

    Args:
        values: (N,) numbers, or (N, D) rows, e.g. the counts of a pooled Dice.
        groups: N group labels, e.g. patients, in any order.
        statistic: maps an array like `values`, of any length, to a number.
        level: coverage of the interval, in (0, 1).
        num_samples: bootstrap samples.
        seed: of the draws; equal seeds and groups draw equal samples whatever the values.

    Returns:
        Lower and upper end.

    Raises:
        ValueError: when lengths differ, values are not finite, there are fewer than two groups (which do not show the
            variation between patients), or `level` or `num_samples` is out of range.
    """
    array, members = _check(np.asarray(values, dtype=np.float64), groups, level, num_samples)
    draws = np.random.default_rng(seed).integers(len(members), size=(num_samples, len(members)))
    if statistic is np.mean and array.ndim == 1:
        array = np.stack([array, np.ones_like(array)], axis=1)
        statistic = _Pooled(lambda rows: torch.div(*rows.sum(0).unbind(-1)))
    samples: ArrayLike
    if isinstance(statistic, _Pooled):  # of sums of the groups, without joining their rows
        sums = np.stack([array[indices].sum(0) for indices in members])
        samples = statistic.pool(torch.from_numpy(np.stack([sums[draw].sum(0) for draw in draws])[None])).numpy()
    else:
        samples = [float(statistic(array[np.concatenate([members[group] for group in draw])])) for draw in draws]
    low, high = np.quantile(samples, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


class _Pooled:
    """Statistic of the sum of rows (N, D), by a function of (N, C, D) or (N, D) that gives (C,) or a number."""

    def __init__(self, pool: Callable[[torch.Tensor], torch.Tensor]) -> None:
        self.pool = pool

    def __call__(self, rows: np.ndarray) -> float:
        return float(self.pool(torch.from_numpy(rows)))


def _check(
    array: np.ndarray, groups: Sequence[Hashable], level: float, num_samples: int
) -> tuple[np.ndarray, list[np.ndarray]]:
    """The values, and per group the indices of its values, in order of first appearance."""
    if array.ndim == 0 or len(array) != len(groups):
        raise ValueError(f"Expected one group per value, but got values {array.shape} and {len(groups)} groups.")
    if not np.isfinite(array).all():
        raise ValueError("Expected finite values, but got NaN or infinity: leave such cases out, and count them.")
    if not 0 < level < 1 or num_samples < 1:
        raise ValueError(f"Expected 0 < `level` < 1 and `num_samples` >= 1, but got {level} and {num_samples}.")
    members: dict[Hashable, list[int]] = {}
    for index, group in enumerate(groups):
        members.setdefault(group, []).append(index)
    if len(members) < 2:
        raise ValueError(f"Expected at least 2 groups to resample, but got {len(members)}: there is no interval then.")
    return array, [np.asarray(indices) for indices in members.values()]


ASSUMED_SPACING_MM = 1.3
"""Pixel spacing taken for the 5 mm rule of good contours where an image has none; Sunnybrook has 1.289-1.367 mm."""

_MEANS = {
    "mean_dice": "dice",
    "mean_initial_dice": "initial_dice",
    "mean_iou": "iou",
    "hd95_px": "hd95_px",
    "hd95_mm": "hd95_mm",
    "apd_px": "apd_px",
    "apd_mm": "apd_mm",
    "boundf": "boundf",
    "mean_roi_dice": "roi_dice",
    "mean_area_error_mm2": "area_error_mm2",
}

_NAMED_STATUSES = {
    "missing_predictions": "missing_prediction",
    "empty_predictions": "empty_prediction",
    "invalid_contours": "invalid_contour",
    "empty_references": "empty_reference",
    "without_reference": "no_reference",
}


class _Figure(NamedTuple):
    """Values, one number or one row per case, their patients, and the statistic computed from them."""

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
    """All metrics of a set of cases, ready for JSON.

    Args:
        records: from :func:`monai_acdr.metrics.case_report.evaluate_case`. A case without patient counts as one.
        assumed_spacing_mm: stands in for the spacing of images that have none, for good contours only.
        good_threshold_mm: see :data:`monai_acdr.metrics.perpendicular_distance.GOOD_CONTOUR_MM`.
        level: of the intervals; 0.95 gives keys that end in `_ci95`.
        num_samples: bootstrap samples.
        seed: of the bootstrap.

    Returns:
        Counts (`num_cases` scored, `num_patients`, `num_with_spacing`, `num_with_contour`), the names of degenerate
        cases by kind, the text `spacing`, and the metrics. A metric over no case is None, and so is an interval over
        fewer than two patients. Values in mm are over the cases whose spacing is known; `good_apd_mm` is None
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
    listed = {key: [r["name"] for r in records if r["status"] == status] for key, status in _NAMED_STATUSES.items()}
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
    measured = {name: _select(records, lambda record, key=key: record.get(key)) for name, key in _MEANS.items()}  # type: ignore[misc]
    figures = {name: _Figure(values, patients, np.mean) for name, (values, patients) in measured.items()}
    figures["mean_dice_gain"] = _Figure(*_select(records, _dice_gain), np.mean)
    errors, patients = measured["mean_area_error_mm2"]
    figures["mean_absolute_area_error_mm2"] = _Figure(np.abs(errors), patients, np.mean)
    figures["median_dice"] = figures["mean_dice"]._replace(statistic=np.median)
    figures["pooled_dice"] = _Figure(*_select(records, _dice_counts), _Pooled(pool_dice_counts))
    figures["wcov"] = _Figure(*_select(records, _coverage_sums), _Pooled(pool_coverage_sums))
    pairs, patients = _select(records, lambda record: _distance_and_dice(record, assumed_spacing_mm))
    good = 100.0 * (pairs.reshape(-1, 2)[:, 0] < good_threshold_mm)
    figures["good_contours_percent"] = _Figure(good, patients, np.mean)
    return figures


def _select(records: Sequence[CaseRecord], value: Callable[[CaseRecord], Any]) -> tuple[np.ndarray, list[str]]:
    """Values that exist, and the patients they belong to."""
    kept = [(value(record), patient) for record, patient in zip(records, _patients(records), strict=True)]
    kept = [pair for pair in kept if pair[0] is not None]
    return np.array([pair[0] for pair in kept], dtype=np.float64), [pair[1] for pair in kept]


def _dice_counts(record: CaseRecord) -> tuple[Any, ...]:
    return record["intersection_px"], record["pred_area_px"], record["reference_area_px"]


def _dice_gain(record: CaseRecord) -> float | None:
    """Dice of the result less that of the starting contour."""
    dice, initial = record["dice"], record.get("initial_dice")  # records of earlier versions have none
    return None if dice is None or initial is None else dice - initial


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


MIN_GAIN = 0.1
"""Smallest share of the gap between the starting contour's Dice and 1 that a trained network has to close."""


def starting_contour_findings(summary: Mapping[str, Any], structure: str = "") -> list[Finding]:
    """Report when the results are not clearly better than the contours that the evolution starts from.

    A circle in the middle of the box of a reference has a Dice of about 0.8 without any training, so that the Dice
    alone does not show whether a network has learned anything.

    Args:
        summary: of :func:`monai_acdr.metrics.summarize_cases`, with 95 % intervals.
        structure: name of the outlined structure; the subject of the finding.

    Returns:
        One finding of the kind ``start_not_beaten`` when the mean gain in Dice is below :data:`MIN_GAIN` of the gap
        to a Dice of 1, or its interval contains 0. None otherwise, or where no starting contour was measured.
    """
    gain, initial = summary.get("mean_dice_gain"), summary.get("mean_initial_dice")
    if gain is None or initial is None:
        return []
    low, high = summary.get("mean_dice_gain_ci95") or (gain, gain)
    if gain >= MIN_GAIN * (1 - initial) and low > 0:
        return []
    interval = "" if low == high else f", 95 % interval {low:+.4f} to {high:+.4f}"
    text = (
        f"mean Dice {summary['mean_dice']:.4f} is not clearly above {initial:.4f} of the starting contour (gain "
        f"{gain:+.4f}{interval}): train longer, or look at the data set and the regions"
    )
    return [Finding("start_not_beaten", text, structure)]


UNKNOWN = "unknown"
"""Name of the group of cases whose property is not known."""


def summarize_strata(
    records: Sequence[Mapping[str, Any]],
    strata: Sequence[str] = (),
    size_edges_mm: Sequence[float] = (),
    **options: Any,
) -> dict[str, dict[str, Any]]:
    """Summaries by group.

    Args:
        records: case records, each with the items that ``strata`` name.
        strata: keys of the records.
        size_edges_mm: ascending bounds of the reference's diameter; empty for no groups by size.
        options: of :func:`monai_acdr.metrics.case_report.summarize_cases`.

    Returns:
        "by_KEY" for each stratum, and "by_size": a dictionary from group to summary, groups sorted; each case is in
        one group of each.
    """
    result = {f"by_{key}": _by(records, [str(record[key]) for record in records], **options) for key in strata}
    if size_edges_mm:
        groups = [size_group(record["reference_area_mm2"], size_edges_mm) for record in records]
        by_size = _by(records, groups, **options)
        order = [*_size_names(size_edges_mm), UNKNOWN]
        result["by_size"] = {name: by_size[name] for name in order if name in by_size}
    return result


def size_group(area_mm2: float | None, edges_mm: Sequence[float]) -> str:
    """Name of the group that an object belongs to by its diameter, that of a disk of the same area.

    Example:
        >>> size_group(100.0, (10, 20))
        '10 - 20 mm'
    """
    if list(edges_mm) != sorted(set(edges_mm)) or min(edges_mm) <= 0:
        raise ValueError(f"Expected `edges_mm` to rise from above 0, but got {list(edges_mm)}.")
    if area_mm2 is None:
        return UNKNOWN
    diameter = 2 * math.sqrt(area_mm2 / math.pi)
    return _size_names(edges_mm)[sum(diameter >= edge for edge in edges_mm)]


def _size_names(edges: Sequence[float]) -> list[str]:
    between = [f"{low:g} - {high:g} mm" for low, high in zip(edges[:-1], edges[1:], strict=True)]
    return [f"< {edges[0]:g} mm", *between, f">= {edges[-1]:g} mm"]


def _by(records: Sequence[Mapping[str, Any]], groups: Sequence[str], **options: Any) -> dict[str, Any]:
    members: dict[str, list[Any]] = {}
    for record, group in zip(records, groups, strict=True):
        members.setdefault(group, []).append(record)
    return {group: summarize_cases(members[group], **options) for group in sorted(members)}
