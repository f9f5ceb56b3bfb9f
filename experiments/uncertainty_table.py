# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The tables of `benchmarks/uncertainty.py`, from the record that it writes."""

from __future__ import annotations

from typing import Any

SHOWN = (0, 2, 4, 6, 8, 9)
"""Deciles in the table: the first, the last, and some between."""


def uncertainty_table(record: dict[str, Any], roi: str) -> list[str]:
    """Error of vertices by the decile of their spread, and how the spread predicts the quality of frames."""
    result = record["results"][roi]
    deciles = result["by_vertex"]["deciles"]
    lines = [
        "| decile of the spread | spread, px | mean error, px | 90 % of the errors are below, px |",
        "| --- " * 4 + "|",
    ]
    for index in SHOWN:
        part = deciles[index]
        numbers = (part[key] for key in ("mean_spread", "mean_error", "error_q90"))
        lines.append(f"| {index + 1} | " + " | ".join(f"{number:.2f}" for number in numbers) + " |")
    frames, calibration = result["by_frame"], result["calibration"]
    rows = (
        ("spread and error of vertices, rank correlation", _interval(result["by_vertex"]["spearman"])),
        ("mean spread and Dice of frames, rank correlation", _interval(frames["spearman"])),
        (
            f"finding the {frames['low_frames']} of {result['frames']} frames of a Dice below {frames['low_dice']:g}, "
            "ROC area",
            _interval(frames["roc_area"]),
        ),
        ("distance from the diagonal of the calibration plot, mean", f"{calibration['mean_gap']:.3f}"),
        (
            f"the same, spreads times {calibration['factor']:.2f} (fitted on the training group)",
            f"{calibration['mean_gap_scaled']:.3f}",
        ),
    )
    lines += ["", "| | |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in rows)]
    return lines


def _interval(figure: dict[str, Any]) -> str:
    if figure["value"] is None:
        return "-"
    bounds = figure["ci95"]
    return f"{figure['value']:.3f}" + ("" if bounds is None else f" ({bounds[0]:.3f} .. {bounds[1]:.3f})")
