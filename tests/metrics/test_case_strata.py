# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Figures by group: each case is in one group, and a group's figures are those of its cases alone."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from monai_acdr.metrics import UNKNOWN, evaluate_case, size_group, summarize_cases, summarize_strata


def record(index: int, pathology: str, side: int, spacing: tuple[float, float] | None = (0.5, 0.5)) -> dict[str, Any]:
    label, pred = torch.zeros(1, 64, 64), torch.zeros(1, 64, 64)
    label[:, 5 : 5 + side, 5 : 5 + side] = 1
    pred[:, 5 : 5 + side, 5 : 4 + side] = 1
    case = evaluate_case(pred, label, spacing=spacing, name=f"m{index}", patient=f"p{index}")
    return {"pathology": pathology, **case}


def test_each_group_is_summarized_alone() -> None:
    records = [record(0, "BENIGN", 10), record(1, "MALIGNANT", 20), record(2, "BENIGN", 40)]
    options = {"num_samples": 20}
    groups = summarize_strata(records, ["pathology"], (8, 15), **options)
    assert list(groups) == ["by_pathology", "by_size"]
    assert list(groups["by_pathology"]) == ["BENIGN", "MALIGNANT"]
    assert groups["by_pathology"]["BENIGN"] == summarize_cases([records[0], records[2]], **options)
    assert list(groups["by_size"]) == ["< 8 mm", "8 - 15 mm", ">= 15 mm"]
    assert groups["by_size"]["< 8 mm"] == summarize_cases(records[:1], **options)
    assert groups["by_size"][">= 15 mm"]["mean_area_error_mm2"] == pytest.approx(-40 * 0.25)
    assert groups["by_size"][">= 15 mm"]["mean_absolute_area_error_mm2"] == pytest.approx(40 * 0.25)


def test_unknown_sizes_are_a_group_of_their_own() -> None:
    groups = summarize_strata([record(0, "", 10, None), record(1, "", 10)], (), (10,), num_samples=20)
    assert list(groups["by_size"]) == ["< 10 mm", UNKNOWN]
    assert groups["by_size"][UNKNOWN]["mean_area_error_mm2"] is None
    assert summarize_strata([], (), ()) == {}


def test_the_diameter_is_that_of_a_disk_of_the_same_area() -> None:
    area = math.pi * 6**2
    assert size_group(area, (12,)) == ">= 12 mm"
    assert size_group(area - 0.01, (12,)) == "< 12 mm"
    assert size_group(None, (12,)) == UNKNOWN


@pytest.mark.parametrize("edges", [(10, 5), (0, 5), (5, 5)])
def test_edges_rise(edges: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="Expected `edges_mm` to rise from above 0"):
        size_group(1.0, edges)
