# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Quality of a data set in any layout: the report, the checks, and a command line.

Run ``python -m monai_acdr.data.quality DATASET_DIR [--group GROUP] [--json REPORT.json] [--no-pixels]``.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from monai_acdr.data.fingerprint import read_pixels
from monai_acdr.data.masses import find_mass_source, mass_data_list
from monai_acdr.data.pairs import list_pair_items
from monai_acdr.data.readers import parse_slice_name
from monai_acdr.data.report import KINDS, Finding, QualityReport
from monai_acdr.data.selection import is_sunnybrook
from monai_acdr.data.splits import check_apart, group_name
from monai_acdr.data.sunnybrook.quality import MIN_ENCLOSED, sunnybrook_quality_report
from monai_acdr.signals import stop_on_signals

__all__ = [
    "KINDS",
    "MIN_ENCLOSED",
    "Finding",
    "QualityReport",
    "check_copies",
    "data_quality_report",
    "main",
    "pair_quality_report",
    "sunnybrook_quality_report",
]


_BLOCK = 1 << 20
"""Bytes of a file that are read at a time."""


def data_quality_report(dataset_dir: str | Path, group: str | None = None, check_pixels: bool = True) -> QualityReport:
    """Check a data set of any layout before training on it.

    Sunnybrook's layouts are checked by :func:`sunnybrook_quality_report`, INbreast, DDSM and CBIS-DDSM by their data
    lists, everything else by :func:`pair_quality_report`.

    Args:
        dataset_dir: folder of the data set.
        group: of Sunnybrook's or a mammography archive's; other data sets are checked whole.
        check_pixels: also run the checks that decode images.

    Raises:
        FileNotFoundError: when ``dataset_dir`` does not exist.
        ValueError: when no layout is recognized, or nothing can be used and no finding says why.
    """
    root = Path(dataset_dir)
    if not root.is_dir():
        raise FileNotFoundError(f"Expected the folder of a data set, but {root} is not one: check `dataset_dir`.")
    if is_sunnybrook(root):
        return sunnybrook_quality_report(root, group, check_pixels=check_pixels)
    try:
        source = find_mass_source(root)
    except ValueError:
        source = "pairs"
    if source == "pairs":
        return pair_quality_report(root, check_pixels=check_pixels)
    report = QualityReport()
    mass_data_list(root, source, group, report)
    return report


def pair_quality_report(
    dataset_dir: str | Path, table: str | Path | None = None, check_pixels: bool = True
) -> QualityReport:
    """Check a data set that :func:`~monai_acdr.data.pair_folder_data_list` lists.

    Reported are all images, masks and outlines that it leaves out or has doubts about, and further: patients in two
    groups that the table, list or folders name, images with the same pixels, and images that cannot be decoded.

    Args:
        dataset_dir: folder of the data set.
        table: see :func:`~monai_acdr.data.pair_folder_data_list`.
        check_pixels: decode all images; otherwise copies are found by the bytes of their files alone.

    Raises:
        FileNotFoundError: when the folder or the table does not exist.
        ValueError: when nothing can be used and no finding says why, or a document is not JSON.
    """
    root, report = Path(dataset_dir), QualityReport()
    items = list_pair_items(root, table, None, report, allow_none=True)
    stated = [item | {"group": group_name(item["group"])} for item in items if item["group"]]
    check_apart(stated, report, strict=False)
    check_copies(root, items, report, check_pixels)
    return report


def check_copies(
    root: Path, items: Sequence[Mapping[str, Any]], report: QualityReport, check_pixels: bool = True
) -> list[list[str]]:
    """Find images with the same pixels, or files with the same bytes.

    Args:
        root: folder of the data set; the report names images relative to it.
        items: data list with ``image``, ``patient`` and ``group``; several items may have one image.
        report: receives ``duplicate_across_groups``, ``duplicate_picture`` for copies of two patients, and
            ``invalid_image`` for images that cannot be read.
        check_pixels: decode all images; otherwise copies are found by the bytes of their files alone.

    Returns:
        For each picture that occurs more than once, the images that show it, as the items name them.
    """
    images = {str(item["image"]): item for item in items}
    same: dict[bytes, list[str]] = defaultdict(list)
    for image in images:
        try:
            same[_digest(image, check_pixels)].append(image)
        except (OSError, ValueError) as error:
            report.add("invalid_image", _relative(root, image), str(error))
    for copies in same.values():
        first = images[copies[0]]
        for image in copies[1:]:
            item = images[image]
            groups = [group_name(str(each["group"] or "")) for each in (first, item)]
            detail = f"as {_relative(root, copies[0])}"
            if groups[0] != groups[1]:
                detail += f", which is in {groups[0] or 'no group'}, not in {groups[1] or 'no group'}"
                report.add("duplicate_across_groups", _relative(root, image), detail)
            elif first["patient"] != item["patient"]:
                report.add("duplicate_picture", _relative(root, image), detail)
    return [copies for copies in same.values() if len(copies) > 1]


def _digest(image: str, check_pixels: bool) -> bytes:
    part = parse_slice_name(image)
    if not check_pixels and part is None:
        digest = hashlib.blake2b()
        with open(image, "rb") as stream:
            while block := stream.read(_BLOCK):
                digest.update(block)
        return digest.digest()
    values = read_pixels(image)
    return hashlib.blake2b(values.tobytes(), person=str(values.shape).encode()[:16]).digest()


def _relative(root: Path, image: str) -> str:
    path, mark, rest = image.partition("#slice=")
    place = Path(path)
    return (place.relative_to(root) if place.is_relative_to(root) else place).as_posix() + mark + rest


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the summary to the standard output and, on request, the report to a JSON file.

    Returns:
        0 when there is no finding, 1 when there are findings, 2 when the data set cannot be read.
    """
    parser = argparse.ArgumentParser(prog="python -m monai_acdr.data.quality", description=__doc__.split("\n")[0])
    parser.add_argument(
        "dataset_dir", help="folder of the data set: images and masks, polygons, Sunnybrook, mammograms"
    )
    parser.add_argument(
        "--group", default=None, help="of Sunnybrook: training, validation, online or all (default: all)"
    )
    parser.add_argument("--json", default=None, metavar="FILE", help="write the report to this file")
    parser.add_argument("--no-pixels", action="store_true", help="do not decode images")
    options = parser.parse_args(arguments)
    try:
        report = data_quality_report(options.dataset_dir, options.group, check_pixels=not options.no_pixels)
        if options.json:
            with stop_on_signals():
                report.write(options.json)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(report.summary() + "\n")
    return 1 if report.findings else 0


if __name__ == "__main__":
    sys.exit(main())
