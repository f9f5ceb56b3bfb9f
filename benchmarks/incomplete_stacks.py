# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""How often is a stack reported as incomplete, whole and with slices cut off at its ends?

Hearts with references (ACDC's layout, or DICOM in one of Sunnybrook's) are outlined with ROI `auto` at end-diastole and
end-systole: all slices, then without one, two and three of the slices with a ventricle at either end, and three slices
in the middle alone. Slices beyond the cut are removed as well, as if they had not been taken. The end-diastolic volume
that a cut removes is that of the contours of the whole stack.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from timing import Table, parser, prepare, write_record

from monai_acdr.apps.measurements import Measurements, find_grid, measure_contours
from monai_acdr.apps.model import ContourModel, load_model
from monai_acdr.apps.outlines import outline_frames
from monai_acdr.apps.regions import parse_region
from monai_acdr.apps.volume_agreement import ReferenceHeart, find_hearts
from monai_acdr.data.phantoms import write_short_axis_studies

QUESTION = "findings of incomplete stacks"
CUTS = ("whole", *(f"{end} {number}" for end in ("base", "apex") for number in (1, 2, 3)), "middle 3")


def main(arguments: Sequence[str] | None = None) -> int:
    """Count, print a table, write the JSON file."""
    options = read_options(arguments)
    prepare(options)
    model = load_model("sunnybrook_lv_acdr", None, "cpu", 16)
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        dataset = options.dataset or write_short_axis_studies(Path(folder) / "data", 1, options.slices, 2)
        hearts = find_hearts(dataset, 3, 2)
        for case in hearts.cases:
            results[hearts.name(case)] = examine(hearts.read(case), model)
            print(".", end="", flush=True)
    rows = []
    for cut in CUTS:
        each = [result[cut] for result in results.values() if cut in result]
        missed = [row["lost_percent"] for row in each if not row["found"]]
        median, most = (f"{np.median(missed):.0f}", f"{max(missed):.0f}") if missed else ("-", "-")
        rows.append([cut, str(sum(row["found"] for row in each)), str(len(each)), median, most])
    names = ["slices removed", "reported", "of", "EDV lost where not reported, %: median", "most"]
    table = Table("stacks", names, rows)
    print("", table, sep="\n")
    write_record(options.output, QUESTION, {"synthetic": options.dataset is None}, results, [table])
    return 0


def examine(heart: ReferenceHeart, model: ContourModel) -> dict[str, dict[str, float]]:
    """Whether each cut of a heart is reported, and the share of the end-diastolic volume that it removes."""
    grid, (diastole, systole) = heart.grid, heart.phases
    chosen = [index for index, phase in enumerate(grid.phase) if phase in (diastole, systole)]
    in_slice = [grid.slice_index[index] for index in chosen]
    whole, volumes = outline(heart, chosen, model)
    there = sorted({grid.slice_index[index] for index in whole})
    if not volumes or sum(volumes[:2]) < sum(volumes[-2:]):
        there.reverse()  # the base first
    kept = {"whole": set(in_slice)}
    for number in (1, 2, 3):
        for end, rest in (("base", there[number:]), ("apex", there[:-number])):
            if len(rest) > 1:
                kept[f"{end} {number}"] = _with_neighbors(rest, there, end, set(in_slice))
    middle = max(len(there) // 2 - 1, 0)
    kept["middle 3"] = set(there[middle : middle + 3])
    total = sum(volumes) or 1.0
    result = {}
    for cut, slices in kept.items():
        frames = [index for index, number in zip(chosen, in_slice, strict=True) if number in slices]
        lost = 1 - sum(v for number, v in zip(sorted(there), volumes, strict=True) if number in slices) / total
        result[cut] = {"found": is_reported(heart, frames, model), "lost_percent": 100 * lost}
    return result


def _with_neighbors(rest: Sequence[int], there: Sequence[int], end: str, taken: set[int]) -> set[int]:
    """The remaining slices with a ventricle, and all slices beyond the end that was not cut."""
    beyond = rest[-1] if end == "base" else rest[0]
    upward = (there[-1] > there[0]) == (end == "base")
    return set(rest) | {number for number in taken if (number > beyond if upward else number < beyond)}


def outline(heart: ReferenceHeart, frames: Sequence[int], model: ContourModel) -> tuple[list[int], list[float]]:
    """Frames that are outlined, and the area of the cavity at end-diastole in each slice that has a contour."""
    outlines, measured = _measure(heart, frames, model)
    found = [index for index, outline in zip(frames, outlines, strict=True) if outline is not None]
    areas = dict.fromkeys(sorted({heart.grid.slice_index[index] for index in found}), 0.0)
    for index, (shape, *_) in zip(frames, measured.shapes, strict=True):
        if shape is not None and heart.grid.phase[index] == heart.phases[0]:
            areas[heart.grid.slice_index[index]] = shape.area_mm2
    return found, list(areas.values())


def is_reported(heart: ReferenceHeart, frames: Sequence[int], model: ContourModel) -> bool:
    """Whether these frames alone give the finding."""
    _, measured = _measure(heart, frames, model)
    return any(finding.kind == "incomplete_stack" for finding in measured.findings)


def _measure(
    heart: ReferenceHeart, frames: Sequence[int], model: ContourModel
) -> tuple[list[np.ndarray | None], Measurements]:
    inputs = replace(heart.inputs, frames=[heart.inputs.frames[index] for index in frames])
    grid, reason = find_grid(inputs.frames)
    if grid is None:
        raise ValueError(f"Expected a stack, but {reason}.")
    outlines = outline_frames(parse_region("auto"), inputs, model, grid, none_is_an_error=False)
    finals = [outline.final for outline in outlines]
    return finals, measure_contours(inputs.frames, finals, model.structures, grid)


def read_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    options = parser(__doc__, __file__, repeats=1, threads=2)
    options.add_argument("--dataset", type=Path, help="hearts with references, instead of a synthetic one")
    options.add_argument("--slices", type=int, default=6, help="of the synthetic heart")
    return options.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
