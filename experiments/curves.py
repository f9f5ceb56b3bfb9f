# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Plots of studies with an axis, and training times from learning curves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from studies import Study

SHOWN = {"mean_dice": "mean Dice", "boundf": "BoundF", "hd95_px": "HD95, px"}


def time_to_reach(run: dict[str, Any], dice: float) -> float | None:
    """Seconds of training, all parts together, until the mean validation Dice over the parts first is `dice`."""
    for points in zip(*run["curves"], strict=True):
        if sum(point["val_mean_dice"] for point in points) / len(points) >= dice:
            return sum(point["seconds"] for point in points)
    return None


def plot_study(study: Study, summaries: dict[str, dict[str, dict[str, Any]]], path: Path) -> None:
    """Metrics against the study's axis, one line per view, with intervals."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    values = {variant.name: variant.value for variant in study.variants}
    figure, axes = plt.subplots(1, len(SHOWN), figsize=(4 * len(SHOWN), 3.2), layout="constrained")
    for axis, (key, heading) in zip(axes, SHOWN.items(), strict=True):
        for view, found in summaries.items():
            x = [values[name] for name in found]
            y = [summary[key] for summary in found.values()]
            bounds = [summary[f"{key}_ci95"] for summary in found.values()]
            spread = [
                [a - b[0] for a, b in zip(y, bounds, strict=True)],
                [b[1] - a for a, b in zip(y, bounds, strict=True)],
            ]
            axis.errorbar(x, y, yerr=spread, marker="o", capsize=3, label=f"ROI {view}")
        if study.axis != "T":
            axis.set_xscale("log", base=2)
        axis.set_xticks(x, [f"{value:g}" for value in x])
        axis.set_xlabel(study.axis)
        axis.set_title(heading)
        axis.grid(alpha=0.3)
    if len(summaries) > 1:
        axes[0].legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)
