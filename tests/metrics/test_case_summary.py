# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The summary of a data set."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from monai_acdr.metrics import (
    CaseRecord,
    WeightedCoverageMetric,
    bootstrap_interval,
    compute_pooled_dice,
    evaluate_case,
    summarize_cases,
)

SIZE = (32, 32)


def _disk(column: float, row: float, radius: float) -> torch.Tensor:
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]] + 0.5
    return torch.from_numpy((columns - column) ** 2 + (rows - row) ** 2 <= radius**2)[None].float()


def _contour(column: float, row: float, radius: float) -> torch.Tensor:
    angles = torch.arange(64) * (2 * torch.pi / 64)
    return torch.tensor([column, row]) + radius * torch.stack([angles.cos(), angles.sin()], 1)


CASES = [(index, (16, 16, 6 + index % 3), (16 + index % 4, 16, 7)) for index in range(9)]


def _records(spacing: tuple[float, float] | None = None) -> list[CaseRecord]:
    return [
        evaluate_case(
            _disk(*pred),
            _disk(*reference),
            pred=_contour(*pred),
            reference=_contour(*reference),
            spacing=spacing,
            name=f"case-{index}",
            patient=f"patient-{index // 3}",
        )
        for index, pred, reference in CASES
    ]


def test_figures() -> None:
    records = _records((1.5, 1.5))
    summary = summarize_cases(records, num_samples=50)
    dices = [record["dice"] for record in records]
    assert (summary["num_cases"], summary["num_patients"], summary["spacing"]) == (9, 3, "from images")
    assert summary["mean_dice"] == pytest.approx(np.mean(dices))
    assert summary["median_dice"] == pytest.approx(np.median(dices))
    assert summary["mean_iou"] == pytest.approx(np.mean([record["iou"] for record in records]))
    assert summary["hd95_mm"] == pytest.approx(1.5 * summary["hd95_px"])
    assert summary["apd_mm"] == pytest.approx(1.5 * summary["apd_px"])
    assert summary["mean_roi_dice"] is summary["mean_roi_dice_ci95"] is None


def test_intervals_of_pooled_values_are_those_of_the_joined_rows() -> None:
    records = _records()
    summary, patients = summarize_cases(records), [record["patient"] for record in records]
    sizes = [[r["intersection_px"], r["pred_area_px"] + r["reference_area_px"]] for r in records]
    areas = [[r["iou"] * r["reference_area_px"], r["reference_area_px"]] for r in records]
    for name, factor, rows in (("pooled_dice", 2, sizes), ("wcov", 1, areas)):
        expected = bootstrap_interval(
            rows, patients, lambda joined, f=factor: f * joined[:, 0].sum() / joined[:, 1].sum()
        )
        assert summary[f"{name}_ci95"] == pytest.approx(expected, rel=1e-12)
        assert expected[0] < expected[1]


def test_pooled_figures_agree_with_the_metrics() -> None:
    pred, reference = (torch.stack([_disk(*case[side]) for case in CASES]) for side in (1, 2))
    summary = summarize_cases(_records(), num_samples=50)
    assert summary["pooled_dice"] == pytest.approx(compute_pooled_dice(pred, reference).item())
    metric = WeightedCoverageMetric()
    metric(pred, reference)
    assert summary["wcov"] == pytest.approx(metric.aggregate().item(), rel=1e-6)


def test_intervals_are_over_patients() -> None:
    records = _records()
    summary = summarize_cases(records, num_samples=200, seed=5)
    expected = bootstrap_interval(
        [record["dice"] for record in records], [record["patient"] for record in records], num_samples=200, seed=5
    )
    assert summary["mean_dice_ci95"] == list(expected)
    for name in ("pooled_dice", "mean_iou", "hd95_px", "apd_px", "boundf", "wcov", "good_contours_percent"):
        low, high = summary[f"{name}_ci95"]
        assert low <= summary[name] <= high
    assert "mean_dice_ci90" in summarize_cases(records, level=0.9, num_samples=20)


def test_one_patient_has_no_interval() -> None:
    summary = summarize_cases(_records()[:3], num_samples=20)
    assert summary["mean_dice"] is not None
    assert summary["mean_dice_ci95"] is None


def _with_distance(dice: float, apd_px: float, spacing: float | None) -> CaseRecord:
    record = _records()[0]
    record.update({"dice": dice, "apd_px": apd_px, "apd_mm": None if spacing is None else spacing * apd_px})
    record["row_spacing_mm"] = record["column_spacing_mm"] = spacing
    return record


def test_good_contours_with_known_spacing() -> None:
    records = [_with_distance(0.9, 2.0, 2.0), _with_distance(0.7, 1.0, 2.0), _with_distance(0.1, 3.0, 2.0)]
    summary = summarize_cases(records, num_samples=20)
    assert summary["good_contours_percent"] == pytest.approx(200 / 3)
    assert summary["good_dice"] == pytest.approx(0.8)
    assert summary["good_apd_mm"] == pytest.approx(3)
    assert summary["good_apd_px"] == pytest.approx(1.5)


def test_good_contours_with_assumed_spacing() -> None:
    # 5 mm are 3.846 px at 1.3 mm.
    records = [_with_distance(0.9, 3.84, None), _with_distance(0.1, 3.85, None)]
    summary = summarize_cases(records, num_samples=20)
    assert summary["spacing"] == "assumed 1.3 mm"
    assert summary["good_contours_percent"] == 50
    assert summary["good_dice"] == pytest.approx(0.9)
    assert summary["good_apd_px"] == pytest.approx(3.84)
    assert summary["good_apd_mm"] is summary["apd_mm"] is summary["hd95_mm"] is None
    assert summarize_cases(records, assumed_spacing_mm=1.0, num_samples=20)["good_contours_percent"] == 100


def test_partly_known_spacing_is_stated() -> None:
    summary = summarize_cases([_with_distance(0.9, 2.0, 2.0), _with_distance(0.8, 2.0, None)], num_samples=20)
    assert summary["spacing"] == "from images (1 cases), assumed 1.3 mm (1 cases)"
    assert summary["num_with_spacing"] == 1
    assert summary["apd_mm"] == pytest.approx(4)
    assert summary["good_apd_mm"] is None


def test_degenerate_cases_are_named_and_scored() -> None:
    mask = _disk(16, 16, 6)
    records = [
        evaluate_case(mask, mask, name="good"),
        evaluate_case(None, mask, name="missing"),
        evaluate_case(torch.zeros_like(mask), mask, name="lost"),
        evaluate_case(mask, torch.zeros_like(mask), name="invented"),
        evaluate_case(mask, None, name="unlabeled"),
    ]
    summary = summarize_cases(records, num_samples=20)
    assert summary["num_cases"] == summary["num_patients"] == 4
    assert summary["mean_dice"] == pytest.approx(1 / 4)
    assert summary["wcov"] == pytest.approx(1 / 3)
    assert summary["missing_predictions"] == ["missing"]
    assert summary["empty_predictions"] == ["lost"]
    assert summary["empty_references"] == ["invented"]
    assert summary["without_reference"] == ["unlabeled"]
    assert np.isfinite(summary["hd95_px"])


def test_no_case_at_all() -> None:
    summary = summarize_cases([])
    assert summary["num_cases"] == 0
    assert summary["mean_dice"] is summary["pooled_dice"] is summary["good_contours_percent"] is None
    json.dumps(summary, allow_nan=False)
