# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Dice after 0, 1, 2, ... simulated clicks: how much do corrections help, and how fast are they?

0 clicks is the contour in the region about the image's center. The first click is the reference's centroid, moved at
random, and is the middle of the region; each further click is at the largest error of the contour of the click before.
Rules: `disc`: the middle of the largest disc that fits into the missing part (a foreground click) or the surplus (a
background click). `boundary`: where the reference's outline is farthest from the contour, foreground if it is outside.
`both`: the same point as foreground and background at once, which puts the boundary there. `disc, afresh`: as `disc`,
but each time the contour of the first click is corrected by all clicks at once, as a stateless server does it.
`drag`: the point of the contour nearest to the point of `boundary` is dragged there, as on the review page;
`drag, reach`: the same, with the best reach along the contour of the usual one and 1/2, 1/4 and 1/8 of it, as a
reader turns the wheel. With `--start center` the contour of 0 clicks is corrected, not that of a first click.
`redraw`: without a contour to start from, corners of a polygon are clicked on the reference's outline at equal
distances, from the best of eight starting points, as many as needed.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from monai.bundle import ConfigParser
from monai.transforms import Compose
from scipy.ndimage import distance_transform_edt
from timing import Table, parser, prepare, spread, write_record
from torch import Tensor

from monai_acdr.apps.model import ContourModel, load_model
from monai_acdr.bundle import bundle_root
from monai_acdr.data import sunnybrook_data_list
from monai_acdr.geometry import centroid, resample
from monai_acdr.inferers import contour_from_clicks, correct_contour, drag_contours
from monai_acdr.inferers.corrections import MARGIN, OVERSHOOT, WIDTH, nearest_on_contour
from monai_acdr.metrics import evaluate_case, summarize_cases
from monai_acdr.transforms import ShiftContour, contour_to_mask, roi_about_center

QUESTION = "Dice after simulated clicks at the largest error"
RULES = ("disc", "disc, afresh", "boundary", "both", "drag", "drag, reach", "redraw")
CLICK_RULES = RULES[:4]
REACHES = {"drag": (1.0,), "drag, reach": (1.0, 0.5, 0.25, 0.125)}
GOALS = (0.95, 0.97)
"""Dice up to which clicks and drags are counted."""
MOST_CORNERS, STARTS = 60, 8
"""Most corners of a redrawn polygon, and starting points that are tried."""
READING = ("LoadImaged", "EnsureChannelFirstd", "CheckImaged", "LoadReferenced")
"""Transforms of the bundle that read a frame; the others make regions of interest."""
WORSE = 1e-3
"""A frame is worse after a click if its Dice falls by more than this."""


@dataclass
class Session:
    """One frame and its user.

    Attributes:
        case: image, label (1, H, W), reference (N, 2), name, patient, group.
        start: (K, 2) contour of the first click, or of the region about the center.
        first: (2,) that click, or None.
        contour: (K, 2) present contour.
        foreground, background: clicks so far.
        dice: after each click.
    """

    case: dict[str, Any]
    start: Tensor
    first: Tensor | None
    contour: Tensor = field(init=False)
    foreground: list[Tensor] = field(default_factory=list)
    background: list[Tensor] = field(default_factory=list)
    dice: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.contour = self.start
        if self.first is not None:
            self.foreground.append(self.first)
        self.initial_dice = dice(self.mask, self.label)

    @property
    def label(self) -> Tensor:
        """(H, W) bool."""
        return self.case["label"][0] > 0.5

    @property
    def mask(self) -> Tensor:
        """(H, W) bool, of the present contour."""
        return contour_to_mask(self.contour, self.label.shape, threshold=0.5)[0] > 0

    def click(self, rule: str) -> None:
        """Add the next click."""
        find = click_in_disc if rule.startswith("disc") else click_on_boundary
        place, inside = find(self)
        if place is None:
            return
        if inside or rule == "both":
            self.foreground.append(place)
        if not inside or rule == "both":
            self.background.append(place)

    def drag(self, rule: str, width: tuple[float, float]) -> float:
        """Drag the contour to the point of the reference that is farthest from it; return the seconds taken."""
        place, _ = click_on_boundary(self)
        near = nearest_on_contour(self.contour, place[None])
        found: list[Tensor] = []
        start = time.perf_counter()
        for reach in REACHES[rule]:
            scaled = (reach * width[0], reach * width[1])
            moved = drag_contours([self.contour], 0, float(near.arc), place - near.foot[0], width=scaled)
            found += moved or []
        taken = time.perf_counter() - start
        masks = [contour_to_mask(contour, self.label.shape, threshold=0.5)[0] > 0 for contour in found]
        if found:  # a reader stops dragging where it looks best
            self.contour = found[int(np.argmax([dice(mask, self.label) for mask in masks]))]
        return taken

    def correct(self, afresh: bool, **options: Any) -> float:
        """Bend the contour, or that of the first click, by all clicks so far; return the seconds taken."""
        before = self.start if afresh else self.contour
        points = [torch.stack(found) if found else None for found in (self.foreground, self.background)]
        start = time.perf_counter()
        self.contour = correct_contour(before, *points, **options)
        return time.perf_counter() - start


def main(arguments: Sequence[str] | None = None) -> int:
    """Simulate, print tables, write the JSON file."""
    options = read_options(arguments)
    prepare(options)
    cases = read_cases(options)
    settings = {key: str(value) for key, value in vars(options).items() if key not in ("output", "dataset_dir")}
    settings |= {"frames": len(cases)}
    results, tables = {}, []
    if "redraw" in options.rules:
        results["redraw"] = {"goals": {str(goal): redraw(cases, goal) for goal in GOALS}}
        tables.append(redraw_table(results["redraw"]["goals"]))
        print(tables[-1], end="\n\n", flush=True)
    rules = [rule for rule in options.rules if rule != "redraw"]
    if rules:
        model = load_model(options.model, options.checkpoint, device="cpu")
        settings["checkpoint_sha256"] = model.checkpoint_sha256
        center = [roi_about_center(case["image"].shape[1:], options.center_side) for case in cases]
        zero = {"0": summarize([measure(c, v) for c, v in zip(cases, infer(model, cases, center), strict=True)])}
        firsts, starts = start_contours(model, cases, center, options)
    for rule in rules:
        sessions = [Session(*each) for each in zip(cases, starts, firsts, strict=True)]
        results[rule] = simulate(sessions, rule, options)
        results[rule]["after"] = zero | results[rule]["after"]
        tables += rule_tables(rule, results[rule])
        print(*tables[-3:], sep="\n\n", end="\n\n", flush=True)
    write_record(options.output, QUESTION, settings, results, tables)
    return 0


def redraw(cases: Sequence[dict[str, Any]], goal: float) -> dict[str, Any]:
    """Number of corners that a polygon on each reference needs for a Dice of at least `goal`."""
    counts = [corners(case["reference"], case["label"][0] > 0.5, goal) for case in cases]
    quantile = float(np.quantile(counts, 0.9, method="higher"))
    return {"mean": float(np.mean(counts)), "median": float(np.median(counts)), "q90": quantile, "most": max(counts)}


def corners(reference: Tensor, label: Tensor, goal: float) -> int:
    """Fewest corners, equally spaced along `reference` (N, 2), whose polygon has that Dice with `label` (H, W)."""
    for number in range(3, MOST_CORNERS):
        fine = resample(reference, number * STARTS)
        polygons = torch.stack([fine[start::STARTS] for start in range(STARTS)])
        masks = contour_to_mask(polygons, label.shape, threshold=0.5) > 0
        if max(dice(mask, label) for mask in masks) >= goal:
            return number
    return MOST_CORNERS


def redraw_table(goals: dict[str, Any]) -> Table:
    """Corners by goal."""
    rows = [[goal, f"{f['mean']:.1f}", f"{f['median']:.0f}", f"{f['q90']:.0f}"] for goal, f in goals.items()]
    return Table("redraw_goals", ["Dice", "mean", "median", "9 of 10"], rows)


def start_contours(
    model: ContourModel, cases: Sequence[dict[str, Any]], center: Sequence[Tensor], options: argparse.Namespace
) -> tuple[Sequence[Tensor | None], list[Tensor]]:
    """First clicks, or None for each, and the contours that are corrected."""
    if options.start == "center":
        return [None] * len(cases), infer(model, cases, center)
    firsts, side = first_clicks(cases, options), model.regions.point_side
    return firsts, [
        contour_from_clicks(first_structure(model), case["image"], click[None], sides=(side, side))
        for case, click in zip(cases, firsts, strict=True)
    ]


def read_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    options = parser(__doc__, __file__, repeats=1, threads=1)
    options.add_argument("--dataset-dir", required=True, help="Sunnybrook data in any of its layouts")
    options.add_argument("--group", default="validation")
    options.add_argument("--every", type=int, default=1, help="take each n-th frame only")
    options.add_argument("--model", default="sunnybrook_lv_acdr", help="name or folder of a bundle")
    options.add_argument("--checkpoint", help="weights, if not the bundle's")
    options.add_argument("--center-side", type=float, default=112.0, help="region for 0 clicks, pixels")
    options.add_argument("--clicks", type=int, nargs="+", default=[1, 2, 3, 5, 8], help="when to measure")
    options.add_argument("--rules", nargs="+", choices=RULES, default=CLICK_RULES)
    options.add_argument("--start", choices=["click", "center"], default="click", help="contour that is corrected")
    options.add_argument("--jitter", type=float, default=4.0, help="standard deviation of the first click, pixels")
    options.add_argument("--width", type=float, nargs=2, default=WIDTH, help="see correct_contour")
    options.add_argument("--overshoot", type=float, default=OVERSHOOT)
    options.add_argument("--margin", type=float, default=MARGIN)
    return options.parse_args(arguments)


def read_cases(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Frames with `image`, `label` and `reference` (N, 2)."""
    config = ConfigParser()
    config.read_config(str(bundle_root("sunnybrook_lv_acdr") / "configs" / "inference.json"))
    transforms = config.get_parsed_content("load_transforms")
    load = Compose([each for each in transforms if type(each).__name__ in READING])
    items = sunnybrook_data_list(options.dataset_dir, options.group)[:: options.every]
    cases = []
    for item in items:
        cases.append(with_heart(load(dict(item))))
    return cases


def with_heart(case: dict[str, Any]) -> dict[str, Any]:
    """A loaded case with `reference` (N, 2), `label` (1, H, W) of the innermost structure, shifted onto the heart."""
    reference = ShiftContour()(case["reference"].as_tensor()[:1].to(torch.float64), case["reader_shift"])
    label = contour_to_mask(reference, case["image"].shape[1:], threshold=0.5)
    return case | {"label": label, "reference": reference[0]}


def infer(model: ContourModel, cases: Sequence[dict[str, Any]], rois: Sequence[Tensor]) -> list[Tensor]:
    """Contours (K, 2), one per region."""
    return [innermost(contours[-1]) for contours in model.infer([case["image"] for case in cases], rois)]


def first_structure(model: ContourModel) -> Callable[[Any, Any], list[Tensor]]:
    """Inferer of the first structure only: (T + 1, K, 2) for each image."""

    def infer(images: Any, rois: Any) -> list[Tensor]:
        return [each if each.ndim == 3 else each[:, 0] for each in model.infer(images, rois)]

    return infer


def innermost(values: Tensor, dimensions: int = 2) -> Tensor:
    """Values of the first structure, (K, ...), of (N, K, ...) or of (K, ...) alone, which has `dimensions`."""
    return values if values.ndim == dimensions else values[0]


def first_clicks(cases: Sequence[dict[str, Any]], options: argparse.Namespace) -> list[Tensor]:
    """Centroids, moved at random; the move is halved until it stays in the reference."""
    generator = torch.Generator().manual_seed(options.seed)
    clicks = []
    for case in cases:
        middle = centroid(case["reference"])
        offset = torch.randn(2, generator=generator, dtype=torch.float64) * options.jitter
        for _ in range(10):
            if float(nearest_on_contour(case["reference"], (middle + offset)[None]).depth) > 0:
                break
            offset = offset / 2
        clicks.append(middle + offset)
    return clicks


def click_in_disc(session: Session) -> tuple[Tensor | None, bool]:
    """Middle of the largest disc of pixels that fits into the error, and whether these pixels are missing."""
    mask, label = session.mask.numpy(), session.label.numpy()
    best: tuple[float, Tensor | None, bool] = (0.0, None, True)
    for error, inside in ((label & ~mask, True), (mask & ~label, False)):
        radius = distance_transform_edt(np.pad(error, 1))[1:-1, 1:-1]
        row, column = np.unravel_index(radius.argmax(), radius.shape)
        if radius[row, column] > best[0]:
            place = torch.tensor([column + 0.5, row + 0.5], dtype=torch.float64)
            best = (float(radius[row, column]), place, inside)
    return best[1], best[2]


def click_on_boundary(session: Session) -> tuple[Tensor, bool]:
    """Vertex of the reference that is farthest from the contour, and whether it is outside."""
    depth = nearest_on_contour(session.contour, session.case["reference"]).depth
    index = int(depth.abs().argmax())
    return session.case["reference"][index], float(depth[index]) < 0


def simulate(sessions: Sequence[Session], rule: str, options: argparse.Namespace) -> dict[str, Any]:
    """Click and correct; metrics after each of ``options.clicks``."""
    afresh = rule.endswith("afresh")
    pull = {"width": tuple(options.width), "overshoot": options.overshoot, "margin": options.margin}
    after: dict[str, Any] = {}
    seconds: list[float] = []
    for number in range(1, max(options.clicks) + 1):
        for session in sessions:
            if rule in REACHES:
                taken = session.drag(rule, tuple(options.width))
            else:
                if number > 1 or session.first is None:
                    session.click(rule)
                taken = session.correct(afresh, **pull)
            seconds += [taken] if number > 1 or max(options.clicks) == 1 else []
            session.dice.append(dice(session.mask, session.label))
        if number in options.clicks:
            after[str(number)] = summarize([measure(each.case, each.contour) for each in sessions])
    falls = np.diff(np.array([session.dice for session in sessions]), axis=1) < -WORSE
    return {
        "after": after,
        "goals": {str(goal): count_to(sessions, goal) for goal in GOALS},
        "worse_share": falls.mean(axis=0).tolist(),
        "correction_seconds": spread(seconds) | {"q95": float(np.quantile(seconds, 0.95))},
        "vertices": spread([len(session.contour) for session in sessions]),
    }


def count_to(sessions: Sequence[Session], goal: float) -> dict[str, Any]:
    """Number of clicks or drags until Dice first reaches `goal`, 0 where it does at the start."""
    curves = [[session.initial_dice, *session.dice] for session in sessions]
    counts = [next((number for number, value in enumerate(curve) if value >= goal), None) for curve in curves]
    reached = [count for count in counts if count is not None]
    most = len(curves[0]) - 1
    return {
        "at_start": sum(count == 0 for count in reached),
        "reached": len(reached),
        "most": most,
        "mean": float(np.mean([most if count is None else count for count in counts])),
        "median": float(np.median([most + 1 if count is None else count for count in counts])),
        "q90": float(np.quantile([most + 1 if count is None else count for count in counts], 0.9, method="higher")),
    }


def dice(one: Tensor, other: Tensor) -> float:
    """Dice of two masks; 1 where both are empty."""
    total = int(one.sum() + other.sum())
    return 2 * int((one & other).sum()) / total if total else 1.0


def measure(case: dict[str, Any], contour: Tensor) -> dict[str, Any]:
    """Case record on the image's own pixels."""
    mask = contour_to_mask(contour, case["label"].shape[1:], threshold=0.5)
    names = {key: case[key] for key in ("name", "patient", "group")}
    return evaluate_case(mask, case["label"], pred=contour, reference=case["reference"], **names)


def summarize(records: Sequence[Any]) -> dict[str, Any]:
    """Metrics of one stage, with the mean Dice of the worst tenth of its frames."""
    summary = summarize_cases(records)
    lowest = sorted(record["dice"] for record in records)[: max(1, len(records) // 10)]
    kept = ("num_cases", "num_patients", "mean_dice", "pooled_dice", "hd95_px")
    figures = {key: value for key, value in summary.items() if key.removesuffix("_ci95") in kept}
    return figures | {"worst_tenth_dice": float(np.mean(lowest)), "lowest_dice": lowest[0]}


def rule_tables(rule: str, result: dict[str, Any]) -> list[Table]:
    """Accuracy after each number of clicks, time of a click, and share of frames that it makes worse."""
    rows = []
    for number, found in result["after"].items():
        figures = [f"{found[key]:.4f}" for key in ("mean_dice", "pooled_dice")]
        lows = [f"{found[key]:.3f}" for key in ("worst_tenth_dice", "lowest_dice")]
        rows.append([number, *figures, f"{found['hd95_px']:.2f}", *lows])
    header = ["clicks", "mean Dice", "pooled Dice", "HD95, px", "mean Dice of the worst tenth", "lowest"]
    seconds = result["correction_seconds"]
    worse = 100 * float(np.mean(result["worse_share"])) if result["worse_share"] else 0.0
    cost = [f"{1e3 * seconds['median']:.0f}", f"{1e3 * seconds['q95']:.0f}", f"{worse:.0f} %"]
    heads = ["a click", "median, ms", "95th percentile, ms", "makes a frame worse"]
    goals = []
    for goal, found in result["goals"].items():
        numbers = [f"{found['mean']:.2f}", f"{found['median']:.0f}", f"{found['q90']:.0f}"]
        goals.append([goal, str(found["at_start"]), str(found["reached"]), *numbers])
    ends = ["Dice", "frames at the start", f"after up to {result['goals'][goal]['most']}", "mean", "median", "9 of 10"]
    return [
        Table(f"{rule}_goals", ends, goals),
        Table(rule, header, rows),
        Table(f"{rule}_cost", heads, [[rule, *cost]]),
    ]


if __name__ == "__main__":
    sys.exit(main())
