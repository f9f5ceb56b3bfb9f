# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Targets as ratios within one run, and whether measurements meet them. Missed targets stay visible."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rasterizer_registry import CUDA_FLOOR, FASTEST, FLOOR, PLAIN
from rasterizer_speed import GRAPH, PASS_NAMES
from timing import ratio, spread

Case = tuple[int, int, int]
"""B, H = W, K."""

HEADLINE: Case = (32, 64, 32)
CPU, CUDA = FASTEST["cpu"], FASTEST["cuda"]


@dataclass(frozen=True)
class Target:
    """A bound on the ratio of two rasterizers' times, or on the time of one in microseconds.

    Args:
        numerator: name of a rasterizer.
        denominator: name of another one, or None for the time itself.
        bound: the target value.
        at_least: True if the ratio should be at least this, False if at most.
        passes: one of ``rasterizer_speed.PASS_NAMES``.
        where: whether the target applies to a case.
        device: cpu or cuda.
    """

    numerator: str
    denominator: str | None
    bound: float
    at_least: bool
    passes: str
    where: Callable[[Case], bool]
    device: str = "cpu"

    def text(self) -> str:
        """The target as one line."""
        what = f"{self.numerator} / {self.denominator}" if self.denominator else f"{self.numerator}, us"
        return f"{what} {'>=' if self.at_least else '<='} {self.bound:g}"


def _at(*cases: Case) -> Callable[[Case], bool]:
    return lambda case: case in cases


def _batched(case: Case) -> bool:
    return case[0] >= 32


TARGETS = (
    Target("pytorch3d", CPU, 1000, True, "forward_backward", _at(HEADLINE)),
    Target("pytorch3d", PLAIN, 100, True, "forward_backward", _at(HEADLINE)),
    Target(PLAIN, CPU, 4, False, "forward_backward", _batched),
    Target("torch_contour", PLAIN, 250, True, "forward_backward", _batched),
    Target("torch_contour", CPU, 200, True, "forward_backward", _batched),
    Target(CPU, FLOOR, 2.5, False, "forward", lambda case: _batched(case) and case[1] <= 256),
    Target("skimage", CPU, 30, True, "forward", lambda case: case[1] == 128),
    Target(CPU, "cv2", 8, False, "forward", lambda case: case[1] == 128),
    Target(CUDA + GRAPH, None, 60, False, "given_gradient", _at((100, 128, 128)), "cuda"),
    Target(CUDA, None, 60, False, "given_gradient", _at((100, 128, 128)), "cuda"),
    Target(CUDA + GRAPH, CUDA_FLOOR + GRAPH, 2.5, False, "forward", _at((100, 512, 128)), "cuda"),
    Target("pytorch3d", CUDA, 20, True, "forward_backward", _at((100, 128, 128)), "cuda"),
)

FIT_TARGETS = (("mesh", 0.03), ("soft", 0.0))
"""Margins by which the IoU of the exact method after 100 steps should exceed another method's."""


def judge_speed(speed: dict[str, Any], skipped: dict[str, dict[str, str]]) -> list[dict[str, Any]]:
    """One entry for each target and case; ``met`` is None, with the reason, where something was not measured.

    Args:
        speed: the cases of each device.
        skipped: the rasterizers that are missing on each device, and why.
    """
    rows = []
    for target in TARGETS:
        cases = speed.get(target.device, {}).get("cases", [])
        matching = [c for c in cases if target.where((c["batch_size"], c["size"], c["num_vertices"]))]
        found = [row for row in (_judge(target, case) for case in matching) if row is not None]
        rows += found or [_unmeasured(target, speed, skipped)]
    return rows


def _unmeasured(target: Target, speed: dict[str, Any], skipped: dict[str, dict[str, str]]) -> dict[str, Any]:
    missing = [name for name in _names(target) if name.removesuffix(GRAPH) in skipped.get(target.device, {})]
    if target.device not in speed:
        reason = f"{target.device} was not measured"
    else:
        reason = f"{missing[0]} is missing" if missing else "no such case in this run"
    described = {"target": target.text(), "passes": target.passes, "device": target.device}
    return {**described, "met": None, "reason": reason}


def _names(target: Target) -> list[str]:
    return [target.numerator] + ([target.denominator] if target.denominator else [])


def _judge(target: Target, case: dict[str, Any]) -> dict[str, Any] | None:
    seconds = case.get(target.passes, {})
    names = _names(target)
    if any(name not in seconds for name in names):
        return None
    values = [seconds[name]["values"] for name in names]
    measured = ratio(*values) if target.denominator else spread([1e6 * value for value in values[0]])
    median = measured["median"]
    return {
        "target": target.text(),
        "passes": target.passes,
        "device": target.device,
        "case": [case["batch_size"], case["size"], case["num_vertices"]],
        "measured": measured,
        "met": median >= target.bound if target.at_least else median <= target.bound,
    }


def judge_fit(fit: dict[str, Any]) -> list[dict[str, Any]]:
    """The same for the fit test: differences of the mean IoU after 100 steps, seed by seed."""
    rows = []
    ours = fit.get("methods", {}).get(CPU) or fit.get("methods", {}).get(PLAIN)
    for name, margin in FIT_TARGETS:
        text = f"IoU after 100 steps, exact - {name} >= {margin:g}"
        row: dict[str, Any] = {"target": text, "met": None, "reason": "no such fit in this run"}
        other = fit.get("methods", {}).get(name)
        if ours and other and "100" in ours["iou"] and "100" in other["iou"]:
            pairs = zip(ours["iou"]["100"]["seeds"], other["iou"]["100"]["seeds"], strict=True)
            row["measured"] = spread([a - b for a, b in pairs])
            row["met"] = row["measured"]["median"] >= margin
            del row["reason"]
        rows.append({**row, "passes": "fit", "device": fit.get("device", "cpu")})
    return rows


def target_rows(rows: list[dict[str, Any]]) -> list[list[str]]:
    """Cells of the printed table."""
    verdicts = {True: "met", False: "MISSED"}
    result = []
    for row in rows:
        figures = row.get("measured")
        cells = [row["target"], row["device"], PASS_NAMES.get(row["passes"], row["passes"])]
        cells.append(", ".join(str(number) for number in row.get("case", [])))
        if figures:
            cells += [_number(figures["median"]), f"{_number(figures['q25'])} .. {_number(figures['q75'])}"]
        else:
            cells += ["", ""]
        result.append([*cells, verdicts.get(row["met"], f"not measured: {row.get('reason')}")])
    return result


def _number(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.4g}"
