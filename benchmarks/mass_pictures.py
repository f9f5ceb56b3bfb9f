# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Pictures of an evaluation: the best, the median and the worst cases, result yellow and reference green."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from monai_acdr.visualize import FINAL_COLOR, REFERENCE_COLOR, contact_sheet, draw_contours, save_png

SIDE = 240
"""Longest side of a picture, about."""


def draw_cases(
    cases: Sequence[Mapping[str, Any]], records: Sequence[Mapping[str, Any]], path: Path, number: int = 4
) -> list[str]:
    """Write a sheet of three rows; returns the names of the cases on it.

    Args:
        cases: with `window` (1, H, W), `pred_window` (1, K, 2) and `reference` (1, N, 2) in its pixels.
        records: case records in the same order.
        path: PNG file.
        number: cases in a row.
    """
    order = np.argsort([-record["dice"] for record in records], kind="stable")
    middle = max((len(order) - number) // 2, 0)
    chosen = [*order[:number], *order[middle : middle + number], *order[-number:]]
    path.parent.mkdir(parents=True, exist_ok=True)
    save_png(path, contact_sheet([_picture(cases[index]) for index in chosen], columns=number))
    return [str(records[index]["name"]) for index in chosen]


def _picture(case: Mapping[str, Any]) -> np.ndarray:
    window = case["window"].as_tensor()
    step = max(1, round(max(window.shape[-2:]) / SIDE))
    scale = max(1, round(SIDE / max(window.shape[-2:])))
    contours = {
        "reference": (case["reference"].as_tensor()[0] / step, REFERENCE_COLOR),
        "result": (case["pred_window"].as_tensor()[0] / step, FINAL_COLOR),
    }
    return draw_contours(window[:, ::step, ::step], contours, scale, None, legend=False)
