# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""``monai-acdr evaluate``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import click

from monai_acdr.apps.cli.options import (
    device_option,
    json_option,
    model_option,
    overwrite_option,
    print_result,
    read_budget_option,
)

__all__ = ["evaluate"]


@click.command(
    epilog="""\b
Examples:
  monai-acdr evaluate /data/sunnybrook --output OUT --group validation --roi centre
  monai-acdr evaluate /data/inbreast --model inbreast_mass_acdr --checkpoint model.pt --output OUT
""",
)
@click.argument("dataset")
@click.option("-o", "--output", required=True, metavar="FOLDER", help="Where metrics.json and metrics.csv go.")
@model_option
@click.option("--group", help="Group of the data set, such as validation. Default: the bundle's.")
@click.option("--roi", help="label, centre or box, where the bundle has a choice. Default: the bundle's.")
@click.option("--checkpoint", metavar="FILE", help="Other weights than the bundle's models/model.pt.")
@click.option(
    "--set", "pairs", multiple=True, metavar="KEY=VALUE", help="Another key of the bundle's config; may be repeated."
)
@read_budget_option
@overwrite_option
@device_option
@json_option
def evaluate(pairs: tuple[str, ...], as_json: bool, **arguments: Any) -> None:
    """Compare a bundle's contours with the references of a DATASET: Dice, distances in pixels, intervals."""
    from monai_acdr.apps.evaluate_bundle import evaluate as run

    figures = run(options=dict(_pair(text) for text in pairs), **arguments)
    print_result(as_json, figures, _lines(figures, arguments["output"]))


def _pair(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise click.BadParameter(f"expected KEY=VALUE, but got {text!r}", param_hint="--set")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value


def _lines(figures: Mapping[str, Any], output: str) -> Iterator[str]:
    for name, value in figures.items():
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            yield f"{name}: {value:.4f}" if isinstance(value, float) else f"{name}: {value}"
    yield f"Figures: {output}/metrics.json, metrics.csv"
