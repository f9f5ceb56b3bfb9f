# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Does the spread of an ensemble's contours predict their errors?

For each vertex its spread over the members, across the contour, is compared with its distance to the reference contour:
by deciles of the spread, and as a rank correlation. For each frame the mean spread is compared with the Dice, and is
the score that should detect frames with a Dice below a limit. Calibration: the share of errors within z spreads,
against that of a normal distribution; without and with one factor on all spreads, fitted on another group. By default
(--fit-group) that is the training group, where errors are smaller. Distances are in pixels of the files. Intervals
resample patients.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from clicks import READING, dice, innermost, with_heart
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from monai.bundle import ConfigParser
from monai.transforms import Compose
from scipy.stats import norm, rankdata
from timing import Table, parser, prepare, write_record
from torch import Tensor

from monai_acdr.apps.model import ContourModel, find_bundle, load_model
from monai_acdr.data import sunnybrook_data_list
from monai_acdr.inferers.corrections import nearest_on_contour
from monai_acdr.inferers.uncertainty import has_members
from monai_acdr.metrics import bootstrap_interval
from monai_acdr.transforms import contour_to_mask, roi_about_center, roi_about_vertices

QUESTION = "Spread of an ensemble's contours against their errors"
ROIS = ("center", "label")
NOMINAL = np.linspace(0.05, 0.95, 19)
"""Shares of errors whose bounds are compared."""
FACTORS = np.geomspace(0.05, 50, 601)
"""Factors on the spread that are tried."""
SAMPLES = 500
"""Bootstrap samples."""


@dataclass(frozen=True)
class Measured:
    """Measurements on F frames with K vertices each.

    Attributes:
        spread: (F, K) pixels.
        error: (F, K) distance of the vertex to the reference contour, pixels.
        dice: (F,).
        patients: F names, for resampling.
    """

    spread: np.ndarray
    error: np.ndarray
    dice: np.ndarray
    patients: list[str]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print tables, write the JSON file and the picture."""
    options = read_options(arguments)
    prepare(options)
    model = load_model(options.model, options.checkpoint, device="cpu")
    if not has_members(model.infer.network):
        raise ValueError(
            f"Expected the weights of an ensemble, but {model.checkpoint} has those of one network: train others with "
            "other seeds, join them with the bundle's configs/ensemble.json, and give the result with --checkpoint."
        )
    cases = {group: read_cases(options, group) for group in (options.fit_group, options.group)}
    results: dict[str, Any] = {}
    for roi in options.rois:
        fitted, found = (measure(model, cases[group], roi) for group in (options.fit_group, options.group))
        results[roi] = {
            "frames": len(found.dice),
            "patients": len(set(found.patients)),
            "mean_dice": float(found.dice.mean()),
            "by_vertex": judge_vertices(found),
            "by_frame": judge_frames(found, options.low_dice),
            "calibration": calibrate(found, fitted),
        }
        show(roi, results[roi], options)
    settings = {
        key: str(value) for key, value in vars(options).items() if key not in ("output", "dataset_dir", "checkpoint")
    }
    settings |= {"checkpoint_sha256": model.checkpoint_sha256}
    write_record(options.output, QUESTION, settings, results)
    picture = options.output.with_suffix(".png")
    calibration_figure(results).savefig(picture, metadata={"Software": None})
    print(f"wrote {picture.name}")
    return 0


def read_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    options = parser(__doc__, __file__, repeats=1, threads=1)
    options.add_argument("--dataset-dir", required=True, help="Sunnybrook data in any of its layouts")
    options.add_argument("--group", default="validation")
    options.add_argument("--fit-group", default="training", help="group that the factor on the spread is fitted on")
    options.add_argument("--exclude", nargs="*", default=["SC-N-6"], help="patients; masks of SC-N-6 are displaced")
    options.add_argument("--every", type=int, default=1, help="take each n-th frame only")
    options.add_argument("--model", default="sunnybrook_lv_acdr", help="name or folder of a bundle")
    options.add_argument("--checkpoint", type=Path, help="weights of an ensemble, if not the bundle's")
    options.add_argument("--rois", nargs="+", choices=ROIS, default=ROIS)
    options.add_argument("--low-dice", type=float, default=0.8, help="frames with a lower Dice are to be detected")
    return options.parse_args(arguments)


def read_cases(options: argparse.Namespace, group: str) -> list[dict[str, Any]]:
    """Frames with `image`, `label` (1, H, W) and `reference` (N, 2)."""
    config = ConfigParser()
    config.read_config(str(find_bundle(options.model) / "configs" / "inference.json"))
    transforms = config.get_parsed_content("load_transforms")
    load = Compose([each for each in transforms if type(each).__name__ in READING])
    items = sunnybrook_data_list(options.dataset_dir, group, exclude=options.exclude, spacing="allow")
    cases = []
    for item in items[:: options.every]:
        cases.append(with_heart(load(dict(item))))
    return cases


def measure(model: ContourModel, cases: Sequence[dict[str, Any]], roi: str) -> Measured:
    """Outline frames and compare them with their references."""
    rois = [region(model, case, roi) for case in cases]
    inferred = model.infer.outline([case["image"] for case in cases], rois)
    spreads = [each.spread for each in inferred if each.spread is not None]
    finals = [innermost(each.contours[-1]) for each in inferred]
    errors = [nearest_on_contour(c["reference"], last).depth.abs() for c, last in zip(cases, finals, strict=True)]
    overlaps = []
    for case, last in zip(cases, finals, strict=True):
        mask = contour_to_mask(last, case["label"].shape[1:], threshold=0.5)[0] > 0
        overlaps.append(dice(mask, case["label"][0] > 0.5))
    return Measured(
        np.stack([innermost(each, 1).numpy() for each in spreads]),
        np.stack([each.numpy() for each in errors]),
        np.array(overlaps),
        [str(case["patient"]) for case in cases],
    )


def region(model: ContourModel, case: dict[str, Any], roi: str) -> Tensor:
    """The bundle's region of that kind."""
    rules = model.regions
    if rules.center_side is None or rules.point_side is None:
        raise ValueError(f"Expected a bundle with regions about the center and a point, but {model.name} has none.")
    if roi == "center":
        return roi_about_center(case["image"].shape[1:], rules.center_side)
    return roi_about_vertices(case["reference"], side=rules.point_side)


def judge_vertices(found: Measured) -> dict[str, Any]:
    """Error by decile of spread, and rank correlation."""
    spread, error = found.spread.ravel(), found.error.ravel()
    deciles = [
        {
            "number": len(part),
            "mean_spread": float(spread[part].mean()),
            "mean_error": float(error[part].mean()),
            "error_q90": float(np.quantile(error[part], 0.9)),
        }
        for part in np.array_split(np.argsort(spread, kind="stable"), 10)
        if len(part)
    ]
    patients = np.repeat(found.patients, found.spread.shape[1])
    return {"deciles": deciles, "spearman": with_interval(spearman, spread, error, patients.tolist())}


def judge_frames(found: Measured, low_dice: float) -> dict[str, Any]:
    """Rank correlation of mean spread and Dice, and how well the spread finds frames of low Dice."""
    spread = found.spread.mean(axis=1)

    def area(spread: np.ndarray, overlap: np.ndarray) -> float | None:
        return roc_area(spread, overlap < low_dice)

    return {
        "spearman": with_interval(spearman, spread, found.dice, found.patients),
        "low_dice": low_dice,
        "low_frames": int((found.dice < low_dice).sum()),
        "roc_area": with_interval(area, spread, found.dice, found.patients, undefined=0.5),
    }


def with_interval(
    statistic: Callable[[np.ndarray, np.ndarray], float | None],
    one: np.ndarray,
    other: np.ndarray,
    patients: Sequence[str],
    undefined: float = 0.0,
) -> dict[str, Any]:
    """A statistic of two columns with its 95 % interval; undefined resamples count as at chance level."""
    value = statistic(one, other)
    if value is None or len(set(patients)) < 2:
        return {"value": value, "ci95": None}

    def of_rows(rows: np.ndarray) -> float:
        found = statistic(rows[:, 0], rows[:, 1])
        return undefined if found is None else found

    interval = bootstrap_interval(np.stack([one, other], axis=1), patients, of_rows, num_samples=SAMPLES)
    return {"value": value, "ci95": list(interval)}


def spearman(one: np.ndarray, other: np.ndarray) -> float | None:
    """Rank correlation; None where one of them is constant."""
    ranks = rankdata(one), rankdata(other)
    if min(np.ptp(rank) for rank in ranks) == 0:
        return None
    return float(np.corrcoef(*ranks)[0, 1])


def roc_area(score: np.ndarray, positive: np.ndarray) -> float | None:
    """Probability that a positive scores higher than a negative, ties half (Mann-Whitney); None without both."""
    number = int(positive.sum())
    if number in (0, len(score)):
        return None
    above = rankdata(score)[positive].sum() - number * (number + 1) / 2
    return float(above / (number * (len(score) - number)))


def calibrate(found: Measured, fitted: Measured) -> dict[str, Any]:
    """Shares of errors within the bounds, before and after the factor that fits those of ``fitted`` best."""
    factor = fit_factor(fitted)
    shares = {"coverage": coverage(found, 1.0), "coverage_scaled": coverage(found, factor)}
    gaps = {key.replace("coverage", "mean_gap"): float(np.abs(each - NOMINAL).mean()) for key, each in shares.items()}
    return {
        "nominal": NOMINAL.round(4).tolist(),
        **{key: each.tolist() for key, each in shares.items()},
        **gaps,
        "factor": factor,
        "fitted_on_frames": len(fitted.dice),
    }


def coverage(measured: Measured, factor: float) -> np.ndarray:
    """Share of errors within z * factor * spread, for each of :data:`NOMINAL`."""
    bounds = norm.ppf((1 + NOMINAL) / 2)[:, None, None] * factor * measured.spread
    return (measured.error <= bounds).mean(axis=(1, 2))


def fit_factor(measured: Measured) -> float:
    """The factor of :data:`FACTORS` with the smallest mean gap between coverage and nominal share."""
    gaps = [np.abs(coverage(measured, factor) - NOMINAL).mean() for factor in FACTORS]
    return float(FACTORS[int(np.argmin(gaps))])


def show(roi: str, result: dict[str, Any], options: argparse.Namespace) -> None:
    """Print one ROI's results."""
    deciles = result["by_vertex"]["deciles"]
    names = ("mean_spread", "mean_error", "error_q90")
    rows = [[str(index), *(f"{part[name]:.3f}" for name in names)] for index, part in enumerate(deciles, start=1)]
    print(Table(roi, [f"decile of spread (px), ROI {roi}", *names], rows))
    frames, calibration = result["by_frame"], result["calibration"]
    print(f"{result['frames']} frames of {result['patients']} patients, mean Dice {result['mean_dice']:.4f}")
    print(f"spread and error of vertices, Spearman: {_text(result['by_vertex']['spearman'])}")
    print(f"mean spread and Dice of frames, Spearman: {_text(frames['spearman'])}")
    print(f"finding {frames['low_frames']} frames below {options.low_dice}, ROC area: {_text(frames['roc_area'])}")
    print(
        f"calibration: mean gap {calibration['mean_gap']:.3f}, with a factor of {calibration['factor']:.2f} fitted on "
        f"{options.fit_group}: {calibration['mean_gap_scaled']:.3f}\n",
        flush=True,
    )


def _text(figure: dict[str, Any]) -> str:
    if figure["value"] is None:
        return "undefined"
    interval = "" if figure["ci95"] is None else " ({:.3f} to {:.3f})".format(*figure["ci95"])
    return f"{figure['value']:.3f}{interval}"


def calibration_figure(results: dict[str, Any]) -> Figure:
    """Nominal against found shares, a panel for each ROI."""
    figure = Figure(figsize=(4.2 * len(results), 4.2), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    for axes, (roi, result) in zip(figure.subplots(1, len(results), squeeze=False)[0], results.items(), strict=True):
        calibration = result["calibration"]
        axes.plot([0, 1], [0, 1], color="#969696", linewidth=1)
        label = f"spread x {calibration['factor']:.2f}"
        axes.plot(calibration["nominal"], calibration["coverage"], marker=".", color="#e6550d", label="spread")
        axes.plot(calibration["nominal"], calibration["coverage_scaled"], marker=".", color="#08519c", label=label)
        axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal", title=f"ROI {roi}")
        axes.set(xlabel="nominal share", ylabel="share of errors within z x spread")
        axes.grid(alpha=0.3)
        axes.legend(loc="upper left", frameon=False)
    return figure


if __name__ == "__main__":
    sys.exit(main())
