# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""``monai-acdr segment``."""

from __future__ import annotations

import re
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

__all__ = ["segment"]

_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)")
_TAKES_NUMBERS = ("box", "point")


class _RegionCommand(click.Command):
    """Lets the numbers of a region follow its word without quotes: ``--roi box 60 50 160 150``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, _join_region(args))


def _join_region(args: list[str]) -> list[str]:
    joined: list[str] = []
    position = 0
    while position < len(args):
        joined.append(args[position])
        position += 1
        if joined[-1] in ("-r", "--roi") and position < len(args) and args[position].lower() in _TAKES_NUMBERS:
            words = [args[position]]
            position += 1
            while position < len(args) and _NUMBER.fullmatch(args[position]):
                words.append(args[position])
                position += 1
            joined.append(" ".join(words))
    return joined


@click.command(
    cls=_RegionCommand,
    epilog="""\b
Examples:
  monai-acdr segment STUDY --output OUT --seg --rtstruct --sr
  monai-acdr segment image.dcm --output OUT --roi point 128 120
  monai-acdr segment mammogram.dcm --model FOLDER --output OUT --roi box 810 400 1010 620 --seg --sr
  monai-acdr segment cine.nii.gz --output OUT --mask --roi centre
  monai-acdr segment https://host/dicom-web/studies/UID --output OUT --seg --store https://host/dicom-web
""",
)
@click.argument("study")
@click.option("-o", "--output", required=True, metavar="FOLDER", help="Where results go; made when missing.")
@model_option
@click.option("--checkpoint", metavar="FILE", help="Other weights than the bundle's models/model.pt.")
@click.option(
    "-r",
    "--roi",
    default="auto",
    show_default=True,
    metavar="ROI",
    help="Where to look: auto (finds the left ventricle); centre; point X Y; box X0 Y0 X1 Y1, in pixels from the upper "
    "left corner of the image, x to the right, y down; or a file, a mask or earlier contours.",
)
@click.option("--series", metavar="NUMBER|UID", help="Which series, where the study has several.")
@click.option(
    "--spacing", nargs=2, type=float, metavar="ROWS COLUMNS", help="Pixel spacing in mm of images that do not tell it."
)
@click.option("--seg", is_flag=True, help="Write a DICOM segmentation, a segment for each structure.")
@click.option(
    "--seg-kind",
    type=click.Choice(["binary", "fractional"], case_sensitive=False),
    default="binary",
    show_default=True,
    help="Pixels in or out, or the share of each that is covered.",
)
@click.option(
    "--rtstruct",
    is_flag=True,
    help="Write an RT structure set, an ROI for each structure: the vertices in mm, no raster between.",
)
@click.option("--sr", is_flag=True, help="Write a structured report: mm, mm2, and mL and g of a ventricle.")
@click.option(
    "--mask",
    is_flag=True,
    help="Write masks: NIfTI for NIfTI, otherwise a PNG for each frame. Several structures: 1 is the inner one, 2 the "
    "ring around it, in PNG 255 and 128.",
)
@click.option("--pictures/--no-pictures", default=True, show_default=True, help="Contact sheet, evolution, curve.")
@click.option("--overlays", is_flag=True, help="Write a picture for each frame.")
@click.option("--html", is_flag=True, help="Write a report of one self-contained file.")
@click.option("--identity", is_flag=True, help="Put the patient's name and ID into that report.")
@click.option("--all-frames", is_flag=True, help="With ROI auto: keep frames in which no ventricle was found.")
@click.option("--store", metavar="URL", help="DICOMweb service to send the DICOM results to.")
@click.option("--batch-size", type=click.IntRange(1), default=32, show_default=True, help="Frames at once.")
@click.option("--strict", is_flag=True, help="Refuse a study in which a file has to be left out.")
@read_budget_option
@overwrite_option
@device_option
@json_option
def segment(seg: bool, seg_kind: str, as_json: bool, **arguments: Any) -> None:
    """Outline the images of one STUDY.

    STUDY is a DICOM file or folder, a picture or a folder of them, a NIfTI volume, or the URL of a study on a DICOMweb
    server. Contours go to contours.json, in pixels and in mm; report.json says what was done. Nothing is half written.
    """
    from monai_acdr.apps.segment_study import segment as run

    with TerminalProgress() as progress:
        report = run(seg=seg_kind.upper() if seg else None, progress=progress, **arguments)
    lines = [
        *report.summary(),
        f"Results: {arguments['output']} ({', '.join(report.files[:6])}"
        + (", ..." if len(report.files) > 6 else "")
        + ")",
    ]
    print_result(as_json, report.as_dict(), lines)
