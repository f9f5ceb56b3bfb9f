# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""``monai-acdr agreement``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import click

from monai_acdr.apps.cli.options import (
    TerminalProgress,
    device_option,
    json_option,
    model_option,
    overwrite_option,
    print_result,
    read_budget_option,
)

__all__ = ["agreement"]


@click.command(
    epilog="""\b
Examples:
  monai-acdr agreement /data/hearts --output OUT
  monai-acdr agreement /data/hearts --output OUT --roi label --label 1
  monai-acdr agreement /data/sunnybrook --output OUT
""",
)
@click.argument("studies")
@click.option("-o", "--output", required=True, metavar="FOLDER", help="Where agreement.csv, .json and .png go.")
@model_option
@click.option(
    "-r",
    "--roi",
    type=click.Choice(["auto", "centre", "label"]),
    default="auto",
    show_default=True,
    help="Where to look; label takes the reference's position.",
)
@click.option("--label", type=int, default=3, show_default=True, help="Value of the left ventricle's cavity.")
@click.option("--myocardium", type=int, default=2, show_default=True, help="Value of the myocardium.")
@click.option("--checkpoint", metavar="FILE", help="Other weights than the bundle's models/model.pt.")
@click.option("--batch-size", type=click.IntRange(1), default=32, show_default=True, help="Frames at once.")
@read_budget_option
@overwrite_option
@device_option
@json_option
def agreement(as_json: bool, **arguments: Any) -> None:
    """Compare volumes and mass of the left ventricle with those of references.

    STUDIES is a folder with PATIENT/ED.nii.gz, ES.nii.gz, and label maps ED_gt.nii.gz, ES_gt.nii.gz, as users of ACDC
    and M&Ms have them, or with DICOM files and contour files in one of Sunnybrook's layouts.
    """
    from monai_acdr.apps.volume_agreement import agreement as run

    with TerminalProgress() as progress:
        result = run(progress=progress, **arguments)
    print_result(as_json, result, _lines(result, arguments["output"]))


def _lines(result: Mapping[str, Any], output: str) -> Iterator[str]:
    yield (
        f"{result['patients']} patient(s), {len(result['failed'])} without volumes; {result['lost_slices']} of "
        f"{result['slices']} slices with a ventricle lost, {result['added_slices']} added"
    )
    yield "Dice " + ", ".join(f"{name.replace('_', ' ')} {value:.3f}" for name, value in result["mean_dice"].items())
    for values in result["measures"].values():
        limits = "" if values["lower_limit"] is None else f", limits {values['lower_limit']:+.1f} to "
        limits += "" if values["upper_limit"] is None else f"{values['upper_limit']:+.1f}"
        error = values["mean_absolute_error"]
        yield f"{values['name']}: bias {values['bias']:+.1f}{limits}, mean absolute error {error:.1f}"
    for text in result["left_out"]:
        yield f"Left out: {text}"
    for text in result["findings"]:
        yield f"Finding: {text}"
    plots = ", agreement.png" if result["measures"] else ""
    yield f"Results: {output}/agreement.json, agreement.csv{plots}"
