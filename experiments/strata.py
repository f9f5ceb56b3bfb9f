# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""CDD-CESM by shape and size, from the records of `own_data_folds`: `python experiments/strata.py --data DATA`.

`python experiments/run_study.py own_data_folds --data DATA` makes the records: five folds by patient with the plan of
`monai-acdr train cdd_cesm --folds 5`, in which every object is measured by a network that did not see its patient. The
shape is the column `mass_like` of `index.csv`; the size is the diameter of the disk of the reference's area, in pixels.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from run_study import RECORDS
from studies import STUDIES

from monai_acdr.metrics import bootstrap_interval

STUDY = "own_data_folds"
EDGES = (0, 30, 60, 120, math.inf)
"""Bounds of the diameter in pixels of the 512 x 512 images; the 5th and 95th percentile are 10 and 400."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a table: one row per shape and size, one column per variant with records."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of cdd_cesm")
    parser.add_argument("--records", type=Path, default=RECORDS)
    options = parser.parse_args(arguments)
    with (options.data / "cdd_cesm" / "index.csv").open(encoding="utf-8", newline="") as stream:
        shapes = {Path(row["file"]).stem: row["mass_like"] for row in csv.DictReader(stream)}
    cases = read_cases(options.records / STUDY)
    if not cases:
        print(f"No records in {options.records / STUDY}: python experiments/run_study.py {STUDY} --data {options.data}")
        return 1
    print("\n".join(table(cases, shapes)))
    return 0


def read_cases(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Cases of all seeds of each variant, by its title."""
    found: dict[str, list[dict[str, Any]]] = {}
    for variant in STUDIES[STUDY].variants:
        for path in sorted(folder.glob(f"{variant.name}-seed*.json")):
            record = json.loads(path.read_text(encoding="utf-8"))
            found.setdefault(variant.title, []).extend(record["cases"]["label"])
    return found


def groups_of(case: Mapping[str, Any], shapes: Mapping[str, str]) -> tuple[str, str]:
    """Shape and size of a case, whose name is that of its image with the number of the object."""
    like = shapes.get(re.sub(r"-\d+$", "", case["name"]), "")
    diameter = 2 * math.sqrt(case["reference_area_px"] / math.pi)
    low = max(edge for edge in EDGES if edge <= diameter)
    high = min(edge for edge in EDGES if edge > diameter)
    size = f"{low:g} px and more" if math.isinf(high) else f"{low:g} to {high:g} px"
    return {"1": "mass-like", "0": "other shapes"}.get(like, "shape unknown"), size


def table(cases: Mapping[str, Sequence[Mapping[str, Any]]], shapes: Mapping[str, str]) -> list[str]:
    """Mean Dice with its 95 % interval over patients, one row per group."""
    sizes = [f"{low:g} to {high:g} px" for low, high in zip(EDGES[:-2], EDGES[1:-1], strict=True)]
    order = ["all", "mass-like", "other shapes", "shape unknown", *sizes, f"{EDGES[-2]:g} px and more"]
    members: dict[str, dict[str, list[Mapping[str, Any]]]] = {name: {} for name in order}
    for title, of_variant in cases.items():
        for case in of_variant:
            for group in ("all", *groups_of(case, shapes)):
                members[group].setdefault(title, []).append(case)
    lines = ["| objects | number | " + " | ".join(cases) + " |", "|---" * (2 + len(cases)) + "|"]
    for group, by_variant in members.items():
        if by_variant:
            number = len({case["name"] for each in by_variant.values() for case in each})
            cells = [_cell(by_variant.get(title, [])) for title in cases]
            lines.append(f"| {group} | {number} | {' | '.join(cells)} |")
    return lines


def _cell(cases: Sequence[Mapping[str, Any]]) -> str:
    values, patients = [case["dice"] for case in cases], [case["patient"] for case in cases]
    if not values:
        return ""
    mean = f"{sum(values) / len(values):.4f}"
    if len(set(patients)) < 2:
        return mean
    low, high = bootstrap_interval(values, patients)
    return f"{mean} ({low:.4f} .. {high:.4f})"


if __name__ == "__main__":
    sys.exit(main())
