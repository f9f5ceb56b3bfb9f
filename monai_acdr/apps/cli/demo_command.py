# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""``monai-acdr demo``."""

from __future__ import annotations

import click

from monai_acdr.apps.cli.options import TerminalProgress, device_option, json_option, overwrite_option, print_result

__all__ = ["demo"]


@click.command()
@click.option(
    "-o", "--output", default="monai_acdr_demo", show_default=True, metavar="FOLDER", help="Where everything goes."
)
@overwrite_option
@device_option
@json_option
def demo(output: str, overwrite: bool, device: str | None, as_json: bool) -> None:
    """Make a synthetic beating heart as DICOM and outline it: contours, DICOM results, measures and pictures."""
    from monai_acdr.apps.demo_study import demo as run

    with TerminalProgress() as progress:
        report = run(output, device=device, overwrite=overwrite, progress=progress)
    lines = [*report.summary(), f"Open {output}/report.html; the synthetic study is in {output}/study."]
    print_result(as_json, report.as_dict(), lines)
