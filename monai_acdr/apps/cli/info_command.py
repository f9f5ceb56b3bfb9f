# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""``monai-acdr info``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import click

from monai_acdr.apps.cli.options import json_option, print_result

__all__ = ["info"]


@click.command()
@json_option
def info(as_json: bool) -> None:
    """Versions, devices, rasterizer backends, extras, and the bundles that come with this installation."""
    from monai_acdr.apps.installation import info as run

    record = run()
    print_result(as_json, record, _lines(record))


def _lines(record: Mapping[str, Any]) -> Iterator[str]:
    yield f"monai_acdr {record['version']}, Python {record['python']}, {record['platform']}"
    yield "Packages: " + ", ".join(f"{name} {found or '(missing)'}" for name, found in record["packages"].items())
    yield f"Devices: {', '.join(record['devices'])}; {record['threads']} CPU thread(s)"
    for kind, names in record["rasterizers"].items():
        yield f"Rasterizer on {kind}: {names[0]} (also {', '.join(names[1:])})"
    yield "Extras:"
    for name, extra in record["extras"].items():
        state = f"missing {', '.join(extra['missing'])}: {extra['command']}" if extra["missing"] else "installed"
        yield f"  {name:<12} {state}"
    yield "Bundles:"
    for bundle in record["bundles"]:
        weights = f"weights {bundle['weights_sha256'][:12]}" if bundle["weights_sha256"] else "no weights"
        yield f"  {bundle['name']} {bundle['version']}: {bundle['task']} ({weights})"
        yield f"    {bundle['folder']}"
