# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Which of several series of a patient the contours were drawn on."""

from __future__ import annotations

from pathlib import Path

from monai_acdr.data.frame_pixels import load_gray, load_mask
from monai_acdr.data.mask_alignment import judge_masks, mask_contrast
from monai_acdr.data.report import QualityReport

__all__ = ["Series", "choose_series"]

Series = dict[int, Path]
"""Files by frame number."""

_LOOKED_AT = 8
"""Frames whose pixels are compared when frame numbers alone do not decide."""


def choose_series(series: dict[str, Series], contours: Series, patient: str, report: QualityReport) -> Series:
    """Pick the series that holds most of the contoured frames; of equals, the one whose images fit the contours best.

    The fit is the contrast of :mod:`monai_acdr.data.mask_alignment`. Published tables name two series for SC-N-6, so
    this is not left to a table. A choice among several that hold contoured frames is recorded as a finding.
    """
    held = {label: len(frames.keys() & contours.keys()) for label, frames in series.items()}
    most = max(held.values(), default=0)
    if not most:
        return max(series.values(), key=len, default={})
    equal = sorted(label for label, number in held.items() if number == most)
    chosen, reason = equal[0], f"it holds {most} contoured frames"
    if len(equal) > 1:
        fits = {label: _fit(series[label], contours) for label in equal}
        chosen = max(equal, key=lambda label: fits[label])
        reason += " and fits them best: " + ", ".join(f"{label} {fit:.2f}" for label, fit in fits.items())
    if sum(number > 0 for number in held.values()) > 1:
        report.add("several_series", patient, f"chose {chosen}, {reason}")
    return series[chosen]


def _fit(series: Series, contours: Series) -> float:
    """Mean contrast of the contours on the images of one series; minus infinity when no image can be read."""
    maps = []
    for frame in sorted(series.keys() & contours.keys())[:_LOOKED_AT]:
        try:
            image = load_gray(series[frame])
            mask = load_mask(contours[frame], (image.shape[0], image.shape[1]))
        except (OSError, ValueError):
            continue
        if bool((mask >= 0.5).any()):
            maps.append(mask_contrast(image, mask))
    return judge_masks(maps).contrast if maps else float("-inf")
