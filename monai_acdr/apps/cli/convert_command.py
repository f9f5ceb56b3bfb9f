# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""``monai-acdr convert``."""

from __future__ import annotations

from typing import Any

import click

from monai_acdr.apps.cli.options import json_option, overwrite_option, print_result, read_budget_option

__all__ = ["convert"]

_FORMATS = ("txt", "json", "png", "nifti", "rtstruct", "seg")
_SHOWN = 10


@click.command(
    epilog="""\b
Formats:
  txt       one contour, "column row" a line, in pixels; 0 0 is the centre of the first pixel (Sunnybrook)
  json      contours of frames, in pixels from the corner of the first pixel, and in mm (contours.json of segment)
  png       mask of one frame, 0 and 255
  nifti     mask or label map of one or many frames: .nii, .nii.gz
  rtstruct  DICOM RT structure set, contours in mm
  seg       DICOM segmentation

\b
Examples:
  monai-acdr convert contours.json rtstruct.dcm --images STUDY
  monai-acdr convert contours.json seg.dcm --images STUDY --kind fractional
  monai-acdr convert plan.dcm contours.json --images STUDY --structure "LV endocardium"
  monai-acdr convert plan.dcm contours.json --images STUDY --structure "#2"
  monai-acdr convert seg.dcm masks.nii.gz --images STUDY
  monai-acdr convert i-contours masks --to png --size 256 256
""",
)
@click.argument("source")
@click.argument("target")
@click.option(
    "-i",
    "--images",
    metavar="PATH",
    help="DICOM file, or folder of one study, that the contours were drawn on. Needed for rtstruct and seg, to read "
    "and to write.",
)
@click.option(
    "-t",
    "--to",
    type=click.Choice(_FORMATS, case_sensitive=False),
    help="Format of TARGET, where its name does not tell it: of a folder (txt, png), or of other DICOM files than "
    "rtstruct.dcm and seg.dcm.",
)
@click.option(
    "--structure",
    metavar="LABEL",
    help="Which structure, of several: its label, or its number, such as '#2'; another name lists them. By default "
    "all, where TARGET has room for them. Otherwise what to call the only one.",
)
@click.option(
    "--kind",
    type=click.Choice(["binary", "fractional"], case_sensitive=False),
    default="binary",
    show_default=True,
    help="Of a seg: pixels covered by half, or the share of each that is covered.",
)
@click.option(
    "--size",
    nargs=2,
    type=click.IntRange(1, 65535),
    metavar="ROWS COLUMNS",
    help="Pixels of a mask, where neither SOURCE nor the images tell it.",
)
@read_budget_option
@overwrite_option
@json_option
def convert(kind: str, as_json: bool, **arguments: Any) -> None:
    """Convert contours and masks: SOURCE to TARGET.

    SOURCE is a file, or a folder of .txt or of .png, one a frame. TARGET is a file, whose name tells its format, or a
    folder for one file a frame. Masks hold the pixels that a contour covers by half; contours are traced around masks
    and their holes, and what a format cannot hold is reported. Nothing is half written.
    """
    from monai_acdr.apps.convert_contours import convert as run

    report = run(kind=kind.upper(), **arguments)
    shown = [str(path) for path in report.files[:_SHOWN]]
    if len(report.files) > _SHOWN:
        shown.append(f"... {len(report.files)} files in all")
    names = ", ".join(report.structures)
    lines = [f"{report.source_format} to {report.target_format}: {names}, {report.frames} frame(s)", *shown]
    notes = [
        *(f"Check: {note}" for note in report.findings),
        *(f"Lost: {note}" for note in report.lost),
        *(f"Left out: {note}" for note in report.skipped),
    ]
    print_result(as_json, report.as_dict(), [*lines, *notes])
