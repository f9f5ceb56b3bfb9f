# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""How thin may the wall of a slice at the base be, for the slice to count as one with a ventricle?

Hearts with references (ACDC's layout, or DICOM in one of Sunnybrook's) are measured with ROI `auto` as
``monai-acdr agreement`` does, for several values of ``thinnest_wall``.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from timing import Table, parser, prepare, write_record

from monai_acdr.apps.model import load_model
from monai_acdr.apps.volume_agreement import agreement
from monai_acdr.data.phantoms import write_short_axis_studies

QUESTION = "slices lost and added, by the thinnest wall of a slice at the base"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print a table, write the JSON file."""
    options = read_options(arguments)
    prepare(options)
    model = load_model("sunnybrook_lv_acdr", None, "cpu", 16)
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        dataset = options.dataset or write_short_axis_studies(Path(folder) / "data", 2, options.slices, 2)
        for share in options.shares:
            found = agreement(dataset, Path(folder) / f"{share:g}", replace(model, thinnest_wall=share), "auto")
            results[f"{share:g}"] = {
                key: found[key] for key in ("lost_slices", "added_slices", "mean_dice", "measures")
            }
    rows = []
    for share, result in results.items():
        dice, fraction = result["mean_dice"], result["measures"].get("ef_percent", {})
        cells = [f"{dice[phase]:.4f}" if phase in dice else "-" for phase in ("ED", "ES")]
        bias, error = (format(fraction.get(name, float("nan")), ".2f") for name in ("bias", "mean_absolute_error"))
        rows.append([share, str(result["lost_slices"]), str(result["added_slices"]), *cells, bias, error])
    header = ["thinnest wall", "slices lost", "added", "Dice ED", "Dice ES", "EF, bias", "EF, mean error"]
    table = Table("shares", header, rows)
    print("", table, sep="\n")
    settings = {"synthetic": options.dataset is None, "stated": model.thinnest_wall}
    write_record(options.output, QUESTION, settings, results, [table])
    return 0


def read_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    options = parser(__doc__, __file__, repeats=1, threads=2)
    options.add_argument("--dataset", type=Path, help="hearts with references, instead of synthetic ones")
    options.add_argument("--slices", type=int, default=6, help="of the synthetic hearts")
    options.add_argument("--shares", type=float, nargs="+", default=[0.0, 0.2, 0.3, 0.35, 0.4, 0.5, 0.65])
    return options.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
