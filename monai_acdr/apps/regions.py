# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Regions of interest: one for each frame, from a keyword, a box, a point or earlier contours."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from monai_acdr.apps.inputs import Frame
from monai_acdr.apps.model import RegionRules
from monai_acdr.plausibility import check_region_sides
from monai_acdr.transforms import expand_roi, roi_about_center, roi_about_vertices, roi_from_box, shift_roi_inside

__all__ = ["KINDS", "RegionRequest", "make_region", "mirror_region", "parse_region", "region_sides"]

KINDS = {"auto": 0, "center": 0, "point": 2, "box": 4}
"""Keyword -> number of values that follow it; anything else is the path of a mask or of earlier contours."""

RegionLike = str | os.PathLike[str] | Sequence[object]


@dataclass(frozen=True)
class RegionRequest:
    """Requested region of interest.

    Attributes:
        kind: ``auto``, ``center``, ``point``, ``box`` or ``contours``.
        numbers: (x, y) or (x0, y0, x1, y1) in pixels of the image.
        path: path of a mask or contours.
    """

    kind: str
    numbers: tuple[float, ...] = ()
    path: Path | None = None

    def __str__(self) -> str:
        return " ".join([self.kind, *(f"{number:g}" for number in self.numbers)])


def parse_region(region: RegionLike) -> RegionRequest:
    """Parse ``"auto"``, ``"center"``, ``"point 120 130"``, ``("box", 60, 50, 160, 150)`` or a path.

    Raises:
        ValueError: when the number of values after a keyword is wrong, or a box has no area.
    """
    if isinstance(region, os.PathLike):
        return RegionRequest("contours", path=Path(region))
    parts = region.replace(",", " ").split() if isinstance(region, str) else [str(part) for part in region]
    word = parts[0].lower() if parts else ""
    if word not in KINDS:
        return RegionRequest("contours", path=Path(region if isinstance(region, str) else parts[0]))
    try:
        numbers = tuple(float(part) for part in parts[1:])
    except ValueError:
        numbers = (math.nan,)
    if len(numbers) != KINDS[word] or not all(map(math.isfinite, numbers)):
        raise ValueError(
            f"Expected {KINDS[word]} numbers after {word!r}, but got {' '.join(parts[1:]) or 'none'}: a region is "
            "auto, center, point X Y, box X0 Y0 X1 Y1 (pixels), or a file of masks or contours."
        )
    if word == "box":
        roi_from_box(numbers)
    return RegionRequest(word, numbers)


def region_sides(side: float | None, rules: RegionRules, frame: Frame) -> tuple[float, float]:
    """(width, height) in pixels of an image for a side in pixels of the training images.

    Raises:
        ValueError: when the bundle has no such side, or the image's spacing makes it implausibly large or small
            (:func:`monai_acdr.plausibility.check_region_sides`).
    """
    if side is None:
        raise ValueError(
            "Expected a region about the object for this bundle, which has no region of a fixed size there: add --roi "
            f"box X0 Y0 X1 Y1{'' if rules.point_side is None else ' or --roi point X Y'}, in pixels, or --roi FILE "
            "with a mask or contours."
        )
    if frame.spacing is None or rules.pixel_mm is None:
        return side, side
    sides = side * rules.pixel_mm / frame.spacing[1], side * rules.pixel_mm / frame.spacing[0]
    check_region_sides(sides, frame.size, frame.spacing)
    return sides


def make_region(request: RegionRequest, frame: Frame, rules: RegionRules, earlier: Sequence[Tensor] = ()) -> Tensor:
    """The region of a frame, for all kinds but ``auto``.

    Args:
        request: the requested region.
        frame: the image.
        rules: rules of the bundle.
        earlier: for ``contours``, the contours of this frame, (K, 2) in its pixels.

    Returns:
        (5,) in pixels of the image's file.

    Raises:
        ValueError: when the region misses the image, or the bundle does not support its kind.
    """
    if request.kind == "center":
        width, height = region_sides(rules.center_side, rules, frame)
        return _resized(roi_about_center(frame.size, 1.0), width, height)
    if request.kind == "point":
        x, y = request.numbers
        if not (0 <= x <= frame.size[1] and 0 <= y <= frame.size[0]):
            raise ValueError(
                f"Expected a point inside the image of {frame.size[1]} x {frame.size[0]} (x, y) pixels, but got "
                f"({x:g}, {y:g})."
            )
        width, height = region_sides(rules.point_side, rules, frame)
        return torch.tensor([x, y, width, height, 0.0], dtype=torch.float64)
    if request.kind == "box":
        return _scaled(roi_from_box(request.numbers), frame, rules)
    vertices = torch.cat(list(earlier))
    if rules.point_side is None:
        return _scaled(roi_about_vertices(vertices, square=rules.square), frame, rules)
    width, height = region_sides(rules.point_side, rules, frame)
    return _resized(roi_about_vertices(torch.as_tensor(earlier[0]), side=1.0), width, height)


def mirror_region(roi: Tensor, width: int) -> Tensor:
    """The region in the image flipped left-right."""
    x, y, side_x, side_y, angle = roi.tolist()
    return torch.tensor([width - x, y, side_x, side_y, -angle], dtype=torch.float64)


def _scaled(roi: Tensor, frame: Frame, rules: RegionRules) -> Tensor:
    scaled = expand_roi(roi, rules.box_scale, square=rules.square)
    return shift_roi_inside(scaled, frame.size) if rules.align_laterality else scaled


def _resized(roi: Tensor, width: float, height: float) -> Tensor:
    return torch.tensor([*roi[:2].tolist(), width, height, 0.0], dtype=torch.float64)
