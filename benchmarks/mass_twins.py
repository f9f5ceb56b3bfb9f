# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Do the mass bundles recover known masks? Synthetic copies of INBreast and of DDSM, trained and evaluated.

Each bundle is run as its users run it, by `monai.bundle run` with its own configs, on a synthetic copy in its archive's
formats. The patients of the test group are not used in training.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from monai.bundle import run
from timing import Table, parser, prepare, write_record

from monai_acdr.bundle import bundle_root
from monai_acdr.data.phantoms import write_ddsm_cases, write_inbreast_cases

QUESTION = "Dice of the mass bundles on synthetic twins, whose masks are known"
DICE = 0.90
"""Target for mean and pooled Dice."""
TWINS = {
    "inbreast": ("inbreast_mass_acdr", write_inbreast_cases),
    "ddsm": ("ddsm_bcrp_mass_acdr", write_ddsm_cases),
}
FIGURES = {
    "mean_dice": ("mean Dice", f"> {DICE:.2f}", 4),
    "pooled_dice": ("pooled Dice", f"> {DICE:.2f}", 4),
    "hd95_mm": ("HD95, mm", "", 2),
    "num_cases": ("masses", "", 0),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Train and evaluate, print a table, write the JSON file."""
    options = read_options(arguments)
    prepare(options)
    with tempfile.TemporaryDirectory() as folder:
        results = {kind: recover(kind, Path(folder) / kind, options) for kind in TWINS}
    rows = [
        [heading, target, *(f"{results[kind][key]:.{decimals}f}" for kind in TWINS)]
        for key, (heading, target, decimals) in FIGURES.items()
    ]
    table = Table("figures", ["figure", "target", *(f"`{kind}`" for kind in TWINS)], rows)
    print(table)
    settings = {key: value for key, value in vars(options).items() if key != "output"}
    write_record(options.output, QUESTION, settings, results, [table])
    return 0


def read_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    options = parser(__doc__, __file__, repeats=1, threads=1)
    options.add_argument("--patients", type=int, default=12, help="of each twin")
    options.add_argument("--epochs", type=int, default=60)
    return options.parse_args(arguments)


def recover(kind: str, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Train on a synthetic copy; return the metrics of its test group."""
    bundle, write = TWINS[kind]
    write(folder / "images", num_patients=options.patients)
    root = Path(bundle_root(bundle))
    places = {"bundle_root": str(root), "dataset_dir": str(folder / "images"), "checkpoint": str(folder / "model.pt")}
    train, evaluate = (str(root / "configs" / f"{name}.json") for name in ("train", "evaluate"))
    schedule = {
        "max_epochs": options.epochs,
        "val_interval": min(10, options.epochs),
        "train#ema#momentum": 0.05,
        "seed": options.seed,
    }
    run(config_file=train, output_dir=str(folder / "train"), logging_file=False, **places, **schedule)
    output = folder / "evaluate"
    run(config_file=[train, evaluate], output_dir=str(output), group="test", logging_file=False, **places)
    figures = json.loads((output / "metrics.json").read_text(encoding="utf-8"))
    return {key: figures[key] for key in FIGURES}


if __name__ == "__main__":
    sys.exit(main())
