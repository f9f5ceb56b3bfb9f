# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Does ROI `auto` find the left ventricle, and which slices have none?

Frames of a data set are segmented with ROI `center`, `label` and `auto`: as they are; moved, so that the heart is off
the center; and zoomed. `auto` is measured with a side of fixed mm, as for a known spacing, with a second look where the
contours are off the middle, and with a side from the located size, as for an unknown spacing. Whole cine studies
(layout `link.csv`, with --cine) are searched as series, as they are and moved; a ventricle should be found in slices
with a reference contour, and in no others.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from clicks import innermost
from monai.data import MetaTensor
from timing import Table, parser, prepare, write_record
from torch import Tensor
from torch.nn import functional as F

from monai_acdr.apps.inputs import Frame, make_image, read_inputs
from monai_acdr.apps.measurements import find_grid
from monai_acdr.apps.model import ContourModel, load_model
from monai_acdr.apps.outlines import infer_regions
from monai_acdr.data import read_contour, sunnybrook_data_list
from monai_acdr.inferers import Localizer, LocatedHeart
from monai_acdr.transforms import (
    MASK_RULE,
    ShiftContour,
    contour_to_mask,
    roi_about_center,
    trace_mask,
)

QUESTION = "ROI auto against ROI center and ROI label"
MISSED = 0.25
"""A region misses when the ventricle's middle is farther from its middle than this share of its side."""
CASES: dict[str, tuple[float, float]] = {
    "as they are": (0, 1),
    "moved 30 px": (30, 1),
    "moved 60 px": (60, 1),
    "zoomed x 0.75": (0, 0.75),
    "zoomed x 1.33": (0, 4 / 3),
}
"""Distance in pixels and zoom."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print tables, write the JSON file."""
    options = read_options(arguments)
    prepare(options)
    model = load_model(options.model, options.checkpoint, "cpu")
    results: dict[str, Any] = {}
    frames = load_frames(options)
    for name, (distance, zoom) in CASES.items():
        results[name] = measure_frames(frames, model, distance, zoom, options.seed)
    tables = [frame_table(results)]
    if options.cine is not None:
        results["cine"] = {
            f"{study.name}, moved {distance} px": measure_cine(study, items, model, distance, options.seed)
            for study, items in cine_studies(options.cine)
            for distance in (0, 60)
        }
        tables.append(cine_table(results["cine"]))
    print(*tables, sep="\n\n")
    settings = {key: str(value) for key, value in vars(options).items() if key not in ("output", "dataset", "cine")}
    write_record(options.output, QUESTION, settings, results, tables)
    return 0


def frame_table(results: dict[str, Any]) -> Table:
    """Dice of single frames by kind of region, and the share of frames that a search misses."""
    rows = []
    for name, kinds in results.items():
        cells = [f"{kinds[kind]['mean_dice']:.4f} / {kinds[kind]['pooled_dice']:.4f}" for kind in kinds]
        rows.append([name, *cells, f"{100 * kinds['auto']['missed']:.1f} %"])
    kinds = next(iter(results.values()))
    header = ["single frames: mean / pooled Dice", *(f"ROI {kind}" for kind in kinds), "missed by auto"]
    return Table("frames", header, rows)


def cine_table(results: dict[str, Any]) -> Table:
    """Slices that a search over whole studies keeps and leaves out."""
    rows = []
    for name, r in results.items():
        kept, left = (r[a] + r[b] for a, b in (("slices_found", "slices_lost"), ("slices_left_out", "slices_invented")))
        slices = [f"{r['slices_found']:.0f} of {kept:.0f}", f"{r['slices_left_out']:.0f} of {left:.0f}"]
        rows.append([name, *slices, f"{r['mean_dice']:.3f}", f"{r['seconds']:.1f}"])
    header = ["study", "slices with ventricle kept", "slices without left out", "mean Dice", "search, s"]
    return Table("cine", header, rows)


def read_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    options = parser(__doc__, __file__, repeats=1, threads=1)
    options.add_argument("--dataset", type=Path, required=True, help="a data set of the Sunnybrook bundle")
    options.add_argument("--group", default="validation")
    options.add_argument("--cine", type=Path, help="a data set in the layout link.csv, with whole cine studies")
    options.add_argument("--every", type=int, default=1, help="take each n-th frame only")
    options.add_argument("--model", default="sunnybrook_lv_acdr")
    options.add_argument("--checkpoint", type=Path)
    return options.parse_args(arguments)


def load_frames(options: argparse.Namespace) -> list[tuple[Tensor, Tensor]]:
    """Pixels (H, W) and reference masks (H, W)."""
    frames = []
    for item in sunnybrook_data_list(options.dataset, options.group, spacing="allow")[:: options.every]:
        image = read_inputs(Path(item["image"])).frames[0].image[0].as_tensor()
        frames.append((image, read_mask(item, tuple(image.shape))))
    return frames


def read_mask(item: Mapping[str, Any], size: tuple[int, int]) -> Tensor:
    """Pixels inside a reader's contour, {0, 1}, shifted onto the heart."""
    path = Path(item["label"])
    if path.suffix == ".txt":
        contour = read_contour(path)
    else:
        mask = (read_inputs(path).frames[0].image[0].as_tensor() > 127).float()
        contour = trace_mask(mask, item[MASK_RULE])
    return contour_to_mask(ShiftContour()(contour, item["reader_shift"])[None], size, 0.5)[0]


def change(pixels: Tensor, distance: float, zoom: float, angle: float) -> Tensor:
    """Move by whole pixels, the border repeated, and zoom."""
    dx, dy = round(distance * math.cos(angle)), round(distance * math.sin(angle))
    pad = max(abs(dx), abs(dy))
    moved = F.pad(pixels[None, None], (pad,) * 4, mode="replicate")[0, 0] if pad else pixels
    height, width = pixels.shape
    moved = moved[pad - dy : pad - dy + height, pad - dx : pad - dx + width]
    if zoom == 1:
        return moved
    return F.interpolate(moved[None, None], scale_factor=zoom, mode="bilinear", antialias=zoom < 1)[0, 0]


def measure_frames(
    frames: Sequence[tuple[Tensor, Tensor]], model: ContourModel, distance: float, zoom: float, seed: int
) -> dict[str, dict[str, float]]:
    """Metrics of the three kinds of ROI, on the changed images' pixels."""
    rng = np.random.default_rng(seed)
    rules = model.regions
    assert rules.center_side is not None and rules.point_side is not None
    side, wide = rules.point_side * zoom, rules.center_side * zoom
    find = localizer_of(model)
    scale = rules.localized_scale or 2.0
    kinds: dict[str, Callable[[MetaTensor, Tensor], Tensor]] = {
        "center": lambda image, mask: square(roi_about_center(image.shape[1:])[:2], wide),
        "label": lambda image, mask: square(middle(mask), side),
        "auto": lambda image, mask: square(located(find, image).center, side),
        "auto, located size": lambda image, mask: by_size(located(find, image), scale),
    }
    found: dict[str, list[tuple[float, float, float]]] = {kind: [] for kind in kinds}
    missed: dict[str, list[bool]] = {kind: [] for kind in kinds}
    seconds: dict[str, float] = dict.fromkeys(kinds, 0.0)
    for pixels, reference in frames:
        angle = rng.uniform(0, 2 * math.pi)
        image = make_image(change(pixels, distance, zoom, angle).numpy(), torch.eye(4))
        mask = (change(reference, distance, zoom, angle) >= 0.5).float()
        for kind, make in kinds.items():
            start = time.perf_counter()
            roi = make(image, mask)
            contours, roi = outline(model, image, roi, again=kind == "auto")
            seconds[kind] += time.perf_counter() - start
            found[kind].append(overlap(innermost(contours[-1]), mask))
            missed[kind].append(is_missed(roi, middle(mask)))
    return {kind: summary(found[kind], missed[kind]) | {"seconds": seconds[kind] / len(frames)} for kind in kinds}


def localizer_of(model: ContourModel) -> Localizer:
    """The localizer of a bundle."""
    if model.localizer is None:
        raise ValueError(f"Expected a bundle with a localizer, but {model.no_localizer}.")
    return model.localizer


def located(find: Localizer, image: MetaTensor) -> LocatedHeart:
    """The heart in a single frame."""
    (heart,) = find([image])
    return heart


def outline(model: ContourModel, image: MetaTensor, roi: Tensor, again: bool) -> tuple[Tensor, Tensor]:
    """Contours and their ROI: with `again`, those of a second ROI where the first one is off the middle."""
    passes, rois = infer_regions(
        {0: roi},
        [0] if again else [],
        [Frame("", image, None)],
        model,
        lambda regions: dict(zip(regions, model.infer.outline([image], [regions[0]]), strict=True)),
    )
    return passes[-1][0].contours, rois[0]


def by_size(heart: LocatedHeart, scale: float) -> Tensor:
    """A ROI about a heart, with a side of `scale` diameters."""
    return square(heart.center, 2 * scale * heart.radius)


def square(center: Tensor, side: float) -> Tensor:
    """A square ROI."""
    return torch.tensor([*center.tolist(), side, side, 0.0], dtype=torch.float64)


def middle(mask: Tensor) -> Tensor:
    """Centroid (x, y) in pixels."""
    rows, columns = torch.nonzero(mask, as_tuple=True)
    return torch.stack([columns.double().mean(), rows.double().mean()]) + 0.5


def overlap(vertices: Tensor, mask: Tensor) -> tuple[float, float, float]:
    """Dice, with its numerator and denominator."""
    predicted = contour_to_mask(vertices[None], tuple(mask.shape), 0.5)[0]
    both, sizes = float((predicted * mask).sum()), float(predicted.sum() + mask.sum())
    return 2 * both / sizes, both, sizes


def is_missed(roi: Tensor, place: Tensor) -> bool:
    """Whether the ventricle is far from the middle of the ROI."""
    return bool(((roi[:2] - place) / roi[2:4]).norm() > MISSED)


def summary(found: Sequence[tuple[float, float, float]], missed: Sequence[bool]) -> dict[str, float]:
    """Mean and pooled Dice, and the share of missed frames."""
    dice, both, sizes = np.array(found).T
    return {
        "mean_dice": float(dice.mean()),
        "pooled_dice": float(2 * both.sum() / sizes.sum()),
        "missed": float(np.mean(missed)),
        "frames": len(found),
    }


def cine_studies(dataset: Path) -> list[tuple[Path, list[dict[str, Any]]]]:
    """Folders of whole studies and their references."""
    studies: dict[Path, list[dict[str, Any]]] = {}
    for item in sunnybrook_data_list(dataset):
        studies.setdefault(Path(item["image"]).parent, []).append(item)
    return sorted(studies.items())


def measure_cine(
    study: Path, items: Sequence[dict[str, Any]], model: ContourModel, distance: float, seed: int
) -> dict[str, float]:
    """Search a series; a slice has a ventricle when it has a reference."""
    inputs = read_inputs(study)
    grid, reason = find_grid(inputs.frames)
    if grid is None:
        raise ValueError(reason)
    angle = np.random.default_rng(seed).uniform(0, 2 * math.pi)
    images = [
        make_image(change(f.image[0].as_tensor(), distance, 1, angle).numpy(), torch.eye(4)) for f in inputs.frames
    ]
    spacing = inputs.frames[0].spacing
    assert model.regions.point_side is not None and model.regions.pixel_mm is not None and spacing is not None
    side = model.regions.point_side * model.regions.pixel_mm / spacing[0]
    start = time.perf_counter()
    hearts = localizer_of(model)(images, grid.slice_index, grid.phase)
    seconds = time.perf_counter() - start
    index = {source.path.name: i for i, source in enumerate(inputs.sources)}
    true_slices, found, missed = set(), [], []
    for item in items:
        i = index[Path(item["image"]).name]
        true_slices.add(grid.slice_index[i])
        mask = (change(read_mask(item, inputs.frames[i].size), distance, 1, angle) >= 0.5).float()
        contours, roi = outline(model, images[i], square(hearts[i].center, side), again=True)
        found.append(overlap(innermost(contours[-1]), mask))
        missed.append(is_missed(roi, middle(mask)))
    kept = {grid.slice_index[i] for i, heart in enumerate(hearts) if heart.counted}
    slices = set(grid.slice_index)
    return summary(found, missed) | {
        "seconds": seconds,
        "slices_found": len(kept & true_slices),
        "slices_lost": len(true_slices - kept),
        "slices_left_out": len(slices - kept - true_slices),
        "slices_invented": len(kept - true_slices),
    }


if __name__ == "__main__":
    sys.exit(main())
