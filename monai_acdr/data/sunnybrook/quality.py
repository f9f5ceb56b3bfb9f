# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Quality report of a data set in one of Sunnybrook's layouts: omitted frames, and doubtful masks."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

from torch import Tensor

from monai_acdr.data.frame_checks import load_gray, load_mask
from monai_acdr.data.mask_alignment import judge_masks, mask_contrast
from monai_acdr.data.pictures import is_picture_file
from monai_acdr.data.report import QualityReport
from monai_acdr.data.sunnybrook.cases import CASES, parse_group
from monai_acdr.data.sunnybrook.pairing import STRUCTURES, sunnybrook_data_list

__all__ = [
    "MIN_ENCLOSED",
    "sunnybrook_quality_report",
]

MIN_ENCLOSED = 0.95
"""Fraction of the endocardium's area that must lie within the epicardium; SC-HF-I-6 has 0.39 to 0.80 in one copy."""


def sunnybrook_quality_report(
    dataset_dir: str | Path, group: str | None = None, layout: str | None = None, check_pixels: bool = True
) -> QualityReport:
    """Check a data set before training on it.

    Reported are all files that :func:`~monai_acdr.data.sunnybrook_data_list` leaves out, and further:
    official patients absent from a group, DICOM frames without PixelSpacing, masks without pixels, epicardial contours
    that do not enclose the endocardial ones and, by the heuristic of :mod:`monai_acdr.data.mask_alignment`, patients
    whose masks look displaced. Nobody is excluded from the checks.

    Args:
        dataset_dir: folder of the data set, or one that contains it.
        group: ``training``, ``validation``, ``online`` (or ``test``); None or ``all`` for all frames.
        layout: ``link``, ``png``, ``miccai`` or ``atlas``; None recognizes it.
        check_pixels: also run the checks that decode pixels and rasterize contours, about 10 ms per frame.

    Raises:
        FileNotFoundError: when ``dataset_dir`` does not exist.
        ValueError: when no layout is recognized or no frame can be used.
    """
    report = QualityReport()
    items = sunnybrook_data_list(
        dataset_dir, group, exclude=(), spacing="allow", layout=layout, report=report, structures=STRUCTURES
    )
    _check_groups(items, group, report)
    for item in items:
        if not item["has_spacing"] and not is_picture_file(item["image"]):
            report.add("no_pixel_spacing", item["name"])
    if check_pixels:
        _check_pixels(items, report)
    return report


def _check_groups(items: list[dict[str, Any]], group: str | None, report: QualityReport) -> None:
    """Compare the patients with the official table; data without any official patient have no official groups."""
    present = {item["patient"] for item in items}
    requested = {case.group for case in CASES if case.patient in present}
    if group is not None and group.strip().lower() != "all":
        requested &= {parse_group(group)}
    for name in sorted(requested):
        official = [case.patient for case in CASES if case.group == name]
        absent = [patient for patient in official if patient not in present]
        if absent:
            report.add("group_incomplete", name, f"{len(absent)} of {len(official)} absent: {', '.join(absent)}")


def _check_pixels(items: list[dict[str, Any]], report: QualityReport) -> None:
    contrasts: dict[str, list[Tensor]] = defaultdict(list)
    for item in items:
        try:
            image = load_gray(item["image"])
            size = (image.shape[0], image.shape[1])
            mask = load_mask(item["label"], size)
            _check_epicardium(item, mask, report)
        except (OSError, ValueError) as error:
            report.add("invalid_image", item["name"], str(error))
            continue
        if bool((mask >= 0.5).any()):
            contrasts[item["patient"]].append(mask_contrast(image, mask))
        else:
            report.add("empty_mask", item["name"], "no pixel is covered by half or more")
    for patient, maps in contrasts.items():
        fit = judge_masks(maps)
        if fit.is_displaced:
            report.add(
                "mask_displaced",
                patient,
                f"contrast {fit.contrast:.2f} over {fit.frames} frames; shifted by {fit.best_shift} pixels (x, y) they "
                f"would have {fit.best_contrast:.2f}",
            )


def _check_epicardium(item: dict[str, Any], endo: Tensor, report: QualityReport) -> None:
    if "label_epi" not in item or not bool(endo.sum() > 0):
        return
    epi = load_mask(item["label_epi"], (endo.shape[0], endo.shape[1]))
    enclosed = float(endo.minimum(epi).sum() / endo.sum())
    if enclosed < MIN_ENCLOSED:
        report.add("epicardium_not_around", item["name"], f"encloses {enclosed:.0%} of the endocardium")
