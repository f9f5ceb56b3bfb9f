# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Volumes of contours and of masks on the hearts of another hospital, side by side.

Collects finished runs, folders of ``--runs``: contours_label and contours_auto of ``monai-acdr agreement --roi label``
and ``--roi auto``; of ``experiments/baseline_agreement.py`` those of three networks of masks together
(masks_three_label, masks_three_auto), of a DynUNet (dynunet_label, dynunet_auto), and of single networks of contours
and masks for each seed (contour_label-seed0, masks_auto-seed2 ...), whose rows are means over the seeds.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from timing import Table, parser, write_record

QUESTION = "volumes of the left ventricle on hearts of another hospital, against readers"
SEEDS = (0, 1, 2)
NETWORKS = {
    "contours": "contours, three networks",
    "masks_three": "masks, three networks",
    "contour": "contours, one network",
    "masks": "masks, one network",
    "dynunet": "masks, one DynUNet",
}
SINGLE = ("contour", "masks")
"""Networks that are measured alone, one run for each of :data:`SEEDS`."""
REGIONS = ("label", "auto")
SLICES = "slices lost / added"
README = {
    "contours_auto": "shipped weights, no click (`--roi auto`)",
    "masks_three_auto": "masks, three networks, no click",
    "contour_auto": "contours, one network, no click",
    "masks_auto": "masks, one network, no click",
    "contours_label": "shipped weights, position known",
    "masks_three_label": "masks, three networks, position known",
    "contour_label": "contours, one network, position known",
    "masks_label": "masks, one network, position known",
}
CARD = {"contours_auto": "ROI `auto`, no click", "contours_label": "ROI `label`, position known"}
READERS = ["readers against their consensus (Suinesiaputra 2015)", "", "", "mean error 4.2", ""]


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the runs, print the tables, write the JSON file."""
    options = read_options(arguments)
    runs = {
        name: read_run(options.runs / name, region)
        for region in REGIONS
        for network in NETWORKS
        for name in folders(network, region)
    }
    singles = [(network, region) for region in REGIONS for network in SINGLE]
    seeds = [[runs[name] for name in folders(*single)] for single in singles]
    means = {f"{network}_{region}": mean_run(each) for (network, region), each in zip(singles, seeds, strict=True)}
    found = runs | means
    header = ["", "Dice ED / ES", "myocardium, ED", "EDV, mL", "ESV, mL", "EF, points", "EF, mean error"]
    rows = [
        [f"{NETWORKS[network]}, `{region}`", *_dice(run), *_biases(run), _slices(run)]
        for region in REGIONS
        for network in NETWORKS
        for run in [found[f"{network}_{region}"]]
    ]
    each_seed = [
        [f"{NETWORKS[network]}, `{region}`", *_per_seed(several)]
        for (network, region), several in zip(singles, seeds, strict=True)
    ]
    card = [
        [title, *_dice(runs[name]), *_limits(runs[name]), _value(runs[name], "ef_percent", "mean_absolute_error")]
        for name, title in CARD.items()
    ]
    for row, name in zip(card, CARD, strict=True):
        row.append(f"{runs[name]['lost_slices']} / {runs[name]['added_slices']}")
    brief = [
        [title, *_dice(found[name]), _fraction(found[name]), _slices(found[name])] for name, title in README.items()
    ]
    tables = [
        Table("networks", [*header, SLICES], rows),
        Table("seeds", ["", "Dice ED", "Dice ES", "myocardium, ED", "EF, mean error"], each_seed),
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


def folders(network: str, region: str) -> list[str]:
    """Names of the folders of a network's runs."""
    name = f"{network}_{region}"
    return [f"{name}-seed{seed}" for seed in SEEDS] if network in SINGLE else [name]


def mean_run(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The statistics of several runs, averaged; counts as well."""
    result: dict[str, Any] = {"slices": runs[0]["slices"]}
    result |= {key: fmean(run[key] for run in runs) for key in ("lost_slices", "added_slices")}
    result["mean_dice"] = {key: fmean(run["mean_dice"][key] for run in runs) for key in runs[0]["mean_dice"]}
    result["measures"] = {
        measure: {
            name: fmean(run["measures"][measure][name] for run in runs)
            for name, value in values.items()
            if isinstance(value, float)
        }
        for measure, values in runs[0]["measures"].items()
    }
    return result


def _per_seed(runs: Sequence[Mapping[str, Any]]) -> list[str]:
    cells = [" ".join(f"{run['mean_dice'][key]:.3f}" for run in runs) for key in ("ED", "ES", "myocardium_ED")]
    return [*cells, " ".join(_value(run, "ef_percent", "mean_absolute_error") for run in runs)]


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
    return f"{lost:.0f} / {added:.0f} of {run['slices']}" if lost or added else ""


if __name__ == "__main__":
    sys.exit(main())
