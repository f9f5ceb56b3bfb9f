# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The ROI by name, for configurations in which it is one word."""

from __future__ import annotations

from collections.abc import Sequence

from monai.transforms import MapTransform

from monai_acdr.transforms.roi.dictionary import BoxROId, CenterROId, LabelROId

__all__ = ["ROI_KINDS", "roi_transform"]

ROI_KINDS = ("center", "label", "box")
"""``center``: nothing is known. ``label``: the position is known, the size is not. ``box``: a user drew it."""


def roi_transform(
    kind: str,
    center_side: float = 112,
    label_side: float = 100,
    box: Sequence[float] | None = None,
    image_key: str = "image",
    contour_key: str = "reference",
    roi_key: str = "roi",
) -> MapTransform:
    """Make the transform that writes the ROI.

    Args:
        kind: one of :data:`ROI_KINDS`.
        center_side: side in pixels of the square about the image's center.
        label_side: side in pixels of the square about the reference contour's centroid.
        box: (x0, y0, x1, y1) in pixels, for ``box``.
        image_key: image to make the ROI for.
        contour_key: reference contour, for ``label``.
        roi_key: item to write.

    Raises:
        ValueError: for another kind, or ``box`` without a box.
    """
    if kind == "center":
        return CenterROId(image_key, center_side, roi_key)
    if kind == "label":
        return LabelROId(contour_key, label_side, image_key=image_key, roi_key=roi_key)
    if kind == "box":
        if box is None:
            raise ValueError(
                "Expected a `box` for ROI 'box', but got None: add --roi_box \"[x0, y0, x1, y1]\" in pixels."
            )
        return BoxROId(box, image_key=image_key, roi_key=roi_key, square=True)
    raise ValueError(f"Expected the ROI to be one of {ROI_KINDS}, but got {kind!r}.")
