# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""How long do the README's first commands take in a fresh clone, and how good are the networks that they train?

Clones the repository into a temporary folder, runs `make venv` and `make demo` there as a new user would, and reads the
metrics that these wrote. Only committed changes are measured. Needs git, make and the package index.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from timing import OUTPUT_DIR, ROOT, Table, write_record

QUESTION = "minutes of `make demo` in a fresh clone, and the Dice of the networks that it trains"
MINUTES = 6.0
"""Target for `make demo`, installation not counted."""
DICE = 0.90
"""Target for both synthetic test groups."""
FIGURES = {"hearts": "runs/demo/evaluate/metrics.json", "masses": "runs/demo/mass_evaluate/metrics.json"}
KEPT = ("num_cases", "num_patients", "mean_dice", "mean_dice_ci95")
_OURS = ("PYTHON", "VIRTUAL_ENV", "OMP_", "MAKE", "PIP_CONSTRAINT")
"""Prefixes of environment variables that a new user does not have."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the commands, print a table, write the JSON file."""
    options = read_options(arguments)
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "clone"
        subprocess.run(["git", "clone", "--quiet", str(options.repository), str(clone)], check=True)
        seconds = {target: run_make(clone, target) for target in options.targets}
        results: dict[str, Any] = {"seconds": seconds, **read_figures(clone)}
    table = make_table(results)
    print(table)
    write_record(options.output, QUESTION, {"targets": options.targets}, results, [table])
    return 0


def read_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--output", type=Path, default=OUTPUT_DIR / "demo.json", help="JSON file to write")
    options.add_argument("--repository", type=Path, default=ROOT, help="repository to clone")
    options.add_argument("--targets", nargs="+", default=["venv", "demo"], help="make targets, in this order")
    return options.parse_args(arguments)


def run_make(clone: Path, target: str) -> float:
    """Seconds of one make target, in the environment of a fresh login."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    start = time.perf_counter()
    subprocess.run(["make", target], cwd=clone, env=environment, check=True, stdout=sys.stderr)
    return time.perf_counter() - start


def read_figures(clone: Path) -> dict[str, Any]:
    """Metrics that the evaluations of the demo wrote."""
    found = {name: json.loads((clone / path).read_text(encoding="utf-8")) for name, path in FIGURES.items()}
    return {name: {key: figures[key] for key in KEPT} for name, figures in found.items()}


def make_table(results: dict[str, Any]) -> Table:
    """Minutes and Dice with their targets."""
    rows = []
    for target, seconds in results["seconds"].items():
        rows.append([f"`make {target}`, minutes", f"< {MINUTES:g}" if target == "demo" else "", f"{seconds / 60:.1f}"])
    for name in FIGURES:
        figures = results[name]
        cases = f"{figures['num_cases']} of {figures['num_patients']} patients"
        low, high = figures["mean_dice_ci95"]
        dice = f"{figures['mean_dice']:.4f} ({low:.4f} .. {high:.4f})"
        rows.append([f"mean Dice, synthetic {name}, test group: {cases}", f"> {DICE:.2f}", dice])
    return Table("figures", ["figure", "target", "measured"], rows)


if __name__ == "__main__":
    sys.exit(main())
