# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Volumes of contours and of masks on the hearts of another hospital, side by side.

Collects finished runs, which are the folders contours_label, contours_auto, contour_label, contour_auto, masks_label,
masks_auto, dynunet_label and dynunet_auto of ``--runs``: the first two of ``monai-acdr agreement --roi label`` and
``--roi auto``, the others of ``experiments/baseline_agreement.py`` with one network of contours, the masks of the same
network, and those of a DynUNet.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from timing import Table, parser, write_record

QUESTION = "volumes of the left ventricle on hearts of another hospital, against readers"
NETWORKS = {
    "contours": "contours, three networks",
    "contour": "contours, one network",
    "masks": "masks, one network",
    "dynunet": "masks, one DynUNet",
}
REGIONS = ("label", "auto")
SLICES = "slices lost / added"
README = {
    "contours_auto": "shipped weights, no click (`--roi auto`)",
    "contour_auto": "contours, one network, no click",
    "masks_auto": "masks, one network, no click",
    "contours_label": "shipped weights, position known",
    "contour_label": "contours, one network, position known",
    "masks_label": "masks, one network, position known",
}
CARD = {"contours_auto": "ROI `auto`, no click", "contours_label": "ROI `label`, position known"}
READERS = ["readers against their consensus (Suinesiaputra 2015)", "", "", "mean error 4.2", ""]


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the runs, print the tables, write the JSON file."""
    options = read_options(arguments)
    runs = {
        f"{network}_{region}": read_run(options.runs / f"{network}_{region}", region)
        for region in REGIONS
        for network in NETWORKS
    }
    header = ["", "Dice ED / ES", "myocardium, ED", "EDV, mL", "ESV, mL", "EF, points", "EF, mean error"]
    rows = [
        [f"{NETWORKS[network]}, `{region}`", *_dice(run), *_biases(run), _slices(run)]
        for region in REGIONS
        for network in NETWORKS
        for run in [runs[f"{network}_{region}"]]
    ]
    card = [
        [title, *_dice(runs[name]), *_limits(runs[name]), _value(runs[name], "ef_percent", "mean_absolute_error")]
        for name, title in CARD.items()
    ]
    for row, name in zip(card, CARD, strict=True):
        row.append(f"{runs[name]['lost_slices']} / {runs[name]['added_slices']}")
    brief = [[title, *_dice(runs[name]), _fraction(runs[name]), _slices(runs[name])] for name, title in README.items()]
    tables = [
        Table("networks", [*header, SLICES], rows),
        Table("card", [*header[:1], "Dice of volumes, ED / ES", *header[2:], SLICES], card),
        Table(
            "readme",
            [
                *("", "Dice, end-diastole / end-systole", "myocardium"),
                *("ejection fraction: bias, mean error", SLICES),
            ],
            [*brief, READERS],
        ),
    ]
    print(*tables, sep="\n\n")
    write_record(options.output, QUESTION, {"roi": list(REGIONS)}, runs, tables)
    return 0


def read_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    options = parser(__doc__, __file__, repeats=1, threads=1)
    options.add_argument("--runs", type=Path, required=True, help="folder of the finished runs")
    return options.parse_args(arguments)


def read_run(folder: Path, region: str) -> dict[str, Any]:
    """Statistics of one run over all patients.

    Raises:
        ValueError: for a run with another region, or in which a patient failed.
    """
    found: dict[str, Any] = json.loads((folder / "agreement.json").read_text(encoding="utf-8"))
    if found["roi"] != region or found["failed"]:
        raise ValueError(
            f"Expected {folder.name} to be a run with ROI {region} in which no patient failed, but it has ROI "
            f"{found['roi']} and {len(found['failed'])} failed: run it again."
        )
    keys = ("model", "patients", "slices", "lost_slices", "added_slices", "mean_dice", "measures")
    return {key: found[key] for key in keys}


def _dice(run: Mapping[str, Any]) -> list[str]:
    dice = run["mean_dice"]
    return [f"{dice['ED']:.3f} / {dice['ES']:.3f}", f"{dice['myocardium_ED']:.3f}"]


def _value(run: Mapping[str, Any], key: str, name: str, sign: str = "") -> str:
    return format(run["measures"][key][name], f"{sign}.1f")


def _biases(run: Mapping[str, Any]) -> list[str]:
    biases = [_value(run, key, "bias", "+") for key in ("edv_ml", "esv_ml", "ef_percent")]
    return [*biases, _value(run, "ef_percent", "mean_absolute_error")]


def _limits(run: Mapping[str, Any]) -> list[str]:
    cells = []
    for key in ("edv_ml", "esv_ml", "ef_percent"):
        bias, low, high = (_value(run, key, name, "+") for name in ("bias", "lower_limit", "upper_limit"))
        cells.append(f"{bias} ({low} .. {high})")
    return cells


def _fraction(run: Mapping[str, Any]) -> str:
    return f"{_value(run, 'ef_percent', 'bias', '+')}, {_value(run, 'ef_percent', 'mean_absolute_error')} points"


def _slices(run: Mapping[str, Any]) -> str:
    lost, added = run["lost_slices"], run["added_slices"]
    return f"{lost} / {added} of {run['slices']}" if lost or added else ""


if __name__ == "__main__":
    sys.exit(main())
