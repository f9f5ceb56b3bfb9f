# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Findings, and plausible ranges in millimeters: pixel spacing, field of view, slice distance, region of interest.

A header, an option or a document may state a wrong scale of an image: meters for millimeters, microns without their
unit, a placeholder of 1, damage. Measures in mm and mL follow it silently, and regions of a size in mm become images of
any size in pixels. Impossible values are refused, with the value and the bounds; unusual ones are returned as text for
a finding. The bounds are wide: they detect wrong units and damage, not bad protocols.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = [
    "FARTHEST_MM",
    "FIELD_OF_VIEW_MM",
    "MAX_ANISOTROPY",
    "MAX_REGION_TIMES",
    "MIN_JUDGED_PIXELS",
    "MIN_REGION_PIXELS",
    "OBJECT_SHARES",
    "SMALL_IMAGE_PIXELS",
    "PROJECTION",
    "SLICE_DISTANCE_MM",
    "TOMOGRAPHY",
    "UNKNOWN",
    "USUAL_ANISOTROPY",
    "Finding",
    "ImageKind",
    "check_assumed_pixels",
    "check_object_size",
    "check_position",
    "check_region_sides",
    "check_slice_distance",
    "check_spacing",
    "image_kind",
    "largest_region",
]


@dataclass(frozen=True)
class Finding:
    """A finding about a study or a data set.

    Attributes:
        kind: a fixed word for programs, such as ``overlap``; for a data set a key of ``monai_acdr.data.quality.KINDS``.
        text: a readable sentence without a patient's identity. For a data set the observation, which may be empty.
        subject: file or patient of a data set, relative to its folder, never from a DICOM header; empty for a finding
            about the whole study.
    """

    kind: str
    text: str
    subject: str = ""

    def as_dict(self) -> dict[str, str]:
        """Values by name, ready for JSON; the subject only where it is not empty."""
        plain = {"kind": self.kind, "text": self.text}
        return {**plain, "subject": self.subject} if self.subject else plain


@dataclass(frozen=True)
class ImageKind:
    """A kind of images with its plausible pixel spacings.

    Attributes:
        name: name for messages.
        lowest, highest: spacing in mm beyond which an image is refused.
        usual_lowest, usual_highest: spacing in mm beyond which it is unusual.
        widest: extent in mm of the longer side beyond which a spacing that was only assumed cannot be right.
    """

    name: str
    lowest: float
    highest: float
    usual_lowest: float
    usual_highest: float
    widest: float


TOMOGRAPHY = ImageKind("MR, CT and other cross sections", 0.05, 10.0, 0.2, 7.0, 600.0)
"""Cardiac images have 0.7 to 2.5 mm, CT 0.2 to 1.2 mm, PET and SPECT up to 7 mm, small animals 0.05 to 0.2 mm; 0.01 mm
or 300 mm is a wrong unit. MR images at most 500 mm, CT 500 to 700 mm, in bores of 600 to 800 mm."""

PROJECTION = ImageKind("mammograms and radiographs", 0.01, 4.0, 0.02, 1.2, 600.0)
"""Detectors and digitized films have 0.04 to 0.2 mm; copies that were reduced to a thumbnail up to about 3 mm."""

UNKNOWN = ImageKind("images of an unknown kind", 1e-3, 100.0, 0.01, 10.0, 2500.0)
"""Pictures and other modalities: from microscopy, 1e-3 mm, to whole bodies in a thumbnail. The field of view counts."""

_PROJECTIONS = ("MG", "CR", "DX", "RF", "XA", "RG", "IO", "PX")
_TOMOGRAPHIES = ("MR", "CT", "PT", "NM")

MAX_ANISOTROPY = 10.0
"""Largest ratio of the sides of a pixel. Reconstructed pixels are square, or nearly so; pixels of a volume reformatted
across its thick slices reach about 8."""

USUAL_ANISOTROPY = 2.0
"""A ratio beyond this is unusual: the plane may not be the one that was imaged."""

FIELD_OF_VIEW_MM = (0.5, 2500.0)
"""Smallest and largest extent of an image along its longer side: from a microscope's field of view to a whole body."""

MIN_JUDGED_PIXELS = 32
"""Images whose sides have fewer pixels are cutouts, for which a small field of view is accepted."""

SLICE_DISTANCE_MM = (0.01, 100.0)
"""Smallest and largest distance of neighboring slices; short-axis stacks have 5 to 15 mm."""

FARTHEST_MM = 1e5
"""Largest coordinate of the first pixel in mm; scanners and tables measure a few meters."""

MAX_REGION_TIMES = 8.0
"""Side of a region of interest, as a multiple of its image's longer side, beyond which it is refused: only a sixtieth
of it would be inside. Small images reach 2 to 3, such as a heart's region of 130 mm on an image cropped to it."""

SMALL_IMAGE_PIXELS = 64
"""Images with shorter sides count as this large: the regions of networks have about 100 pixels, whatever the image."""

MIN_REGION_PIXELS = 8.0
"""Side in pixels below which a region of a size in mm is refused: nothing in it can be outlined."""

OBJECT_SHARES = (1 / 8, 1.0)
"""Smallest and largest diameter of a located object as a share of its region's side, if the region has a fixed side.
Hearts of Sunnybrook have 0.16 to 0.73; an object larger than its region cannot be outlined in it."""

_CORRECT = "correct the header; an image whose header does not state it takes --spacing ROWS COLUMNS, in mm"


def image_kind(modality: object) -> ImageKind:
    """The kind of a DICOM modality, such as ``"MR"``; :data:`UNKNOWN` for other or missing modalities."""
    text = str(modality or "").strip().upper()
    if text in _PROJECTIONS:
        return PROJECTION
    return TOMOGRAPHY if text in _TOMOGRAPHIES else UNKNOWN


def check_spacing(
    description: object,
    spacing: Sequence[float],
    size: Sequence[int] | None = None,
    kind: ImageKind = UNKNOWN,
    remedy: str = _CORRECT,
) -> list[str]:
    """Refuse an implausible pixel spacing.

    Args:
        description: the file or option, for messages.
        spacing: (between rows, between columns) in mm.
        size: (H, W) of the image, for its field of view; None where it is not known.
        kind: kind of the image.
        remedy: the next step, for the message.

    Returns:
        A description of an unusual spacing; empty for a usual one.

    Raises:
        ValueError: when the spacing is not two positive, finite numbers within the bounds of the kind, the pixels are
            too far from square, or the field of view is too small or too large.
    """
    values = [float(value) for value in spacing]
    text = " x ".join(f"{value:.6g}" for value in values)
    if len(values) != 2 or not all(value > 0 and math.isfinite(value) for value in values):
        raise ValueError(f"Expected a spacing of two positive numbers in mm, but {description} has {text}: {remedy}.")
    if min(values) < kind.lowest or max(values) > kind.highest:
        raise ValueError(
            f"Expected a pixel spacing of {kind.lowest:g} to {kind.highest:g} mm ({kind.name}), but {description} "
            f"has {text} "
            f"mm, which is not plausible: {remedy}."
        )
    ratio = max(values) / min(values)
    if ratio > MAX_ANISOTROPY:
        raise ValueError(
            f"Expected pixels whose sides differ by a factor of at most {MAX_ANISOTROPY:g}, but "
            f"{description} has {text} mm: "
            f"{remedy}."
        )
    odd = []
    if min(values) < kind.usual_lowest or max(values) > kind.usual_highest:
        odd.append(
            f"a pixel spacing of {text} mm, usually {kind.usual_lowest:g} to {kind.usual_highest:g} mm: all mm, mm2 "
            "and mL follow it"
        )
    if ratio > USUAL_ANISOTROPY:
        odd.append(f"pixels of {text} mm are far from square: is this the plane that was imaged?")
    if size is not None:
        extent = max(values[0] * int(size[0]), values[1] * int(size[1]))
        low, high = FIELD_OF_VIEW_MM
        if extent > high or (extent < low and max(size) >= MIN_JUDGED_PIXELS):
            raise ValueError(
                f"Expected a field of view of {low:g} to {high:g} mm, but {description} has {extent:.4g} mm, "
                f"{int(size[0])} x "
                f"{int(size[1])} pixels of {text} mm, which is not plausible: {remedy}."
            )
    return odd


def check_slice_distance(description: object, distance: float, remedy: str = "correct the header") -> None:
    """Refuse an implausible distance of neighboring slices in mm.

    Raises:
        ValueError: when the distance is not finite or not within :data:`SLICE_DISTANCE_MM`.
    """
    low, high = SLICE_DISTANCE_MM
    if not low <= distance <= high:
        raise ValueError(
            f"Expected slices {low:g} to {high:g} mm apart, but {description} has {distance:.4g} "
            f"mm, which is not plausible: "
            f"{remedy}."
        )


def check_position(description: object, position: Sequence[float], remedy: str = "correct the header") -> None:
    """Refuse an implausible position of the first pixel in mm.

    Raises:
        ValueError: when a coordinate is not finite or is farther than :data:`FARTHEST_MM` from the scanner's center.
    """
    if not all(abs(value) <= FARTHEST_MM for value in position):
        raise ValueError(
            f"Expected an image within {FARTHEST_MM:g} mm of the scanner's center, but {description} places its "
            f"first pixel "
            f"at {', '.join(f'{value:.3g}' for value in position)} mm, which is not plausible: {remedy}."
        )


def largest_region(size: Sequence[int]) -> float:
    """Longest allowed side in pixels of a region of interest on an image of ``size`` (H, W)."""
    return MAX_REGION_TIMES * max(int(size[0]), int(size[1]), SMALL_IMAGE_PIXELS)


def check_region_sides(sides: Sequence[float], size: Sequence[int], spacing: Sequence[float] | None) -> None:
    """Refuse a region of a size in mm that does not fit the pixels of its image.

    Args:
        sides: (width, height) of the region in pixels of the image.
        size: (H, W) of the image.
        spacing: (between rows, between columns) in mm that the sides come from, for the message.

    Raises:
        ValueError: when a side is not finite, is shorter than :data:`MIN_REGION_PIXELS` or longer than
            :func:`largest_region`.
    """
    limit = largest_region(size)
    if all(math.isfinite(side) and MIN_REGION_PIXELS <= side <= limit for side in sides):
        return
    scale = "" if spacing is None else f" at a pixel spacing of {spacing[0]:.6g} x {spacing[1]:.6g} mm"
    raise ValueError(
        f"Expected a region of {MIN_REGION_PIXELS:g} to {limit:g} pixels for an image of {int(size[0])} x "
        f"{int(size[1])} (H x W), but the usual size of the object{scale} is {sides[0]:.4g} x {sides[1]:.4g} pixels: "
        "the spacing is not plausible; correct the header, or give the right one with --spacing ROWS COLUMNS."
    )


def check_assumed_pixels(size: Sequence[int], pixel_mm: float, kind: ImageKind = UNKNOWN) -> str:
    """Whether an image without a stated spacing can have the pixels of a network's training images.

    Args:
        size: (H, W) of the image.
        pixel_mm: size of the pixels of the training images in mm.
        kind: kind of the training images.

    Returns:
        Why it cannot, for a finding; empty where it can.
    """
    height, width = (int(side) for side in size)
    if max(height, width) * pixel_mm <= kind.widest:
        return ""
    return (
        f"{height} x {width} pixels (H x W) would be {height * pixel_mm:.0f} x {width * pixel_mm:.0f} mm with the "
        f"{pixel_mm:g} mm of the training images"
    )


def check_object_size(diameter: float, sides: Sequence[float]) -> str:
    """Whether a located object fits its region of a fixed side; see :data:`OBJECT_SHARES`.

    Args:
        diameter: diameter of the object in pixels.
        sides: (width, height) of the region in pixels.

    Returns:
        Why it does not, for a finding; empty where it does.
    """
    side = math.sqrt(float(sides[0]) * float(sides[1]))
    low, high = OBJECT_SHARES
    if low * side <= diameter <= high * side:
        return ""
    return f"what was located is {diameter:.0f} pixels across, its region {side:.0f}"
