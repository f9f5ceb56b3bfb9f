# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Contours from clicks: the first click places the region, and all clicks correct the network's contour."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from monai.data.meta_tensor import MetaTensor
from torch import Tensor

from monai_acdr.geometry import map_vertices
from monai_acdr.inferers.contour_distance import nearest_on_contour
from monai_acdr.inferers.corrections import correct_contour
from monai_acdr.transforms import expand_roi, file_grid, present_grid

__all__ = ["SECOND_LOOK", "contour_from_clicks"]

SECOND_LOOK = 0.8
"""When the contour misses the click in the middle of its region, a region so much smaller is tried.

On the Sunnybrook training group this helps more than a correction alone, on average; larger regions, and those smaller
still, do not.
"""


def contour_from_clicks(
    infer: Callable[..., Sequence[Tensor]],
    image: MetaTensor,
    foreground: Tensor | None = None,
    background: Tensor | None = None,
    *,
    sides: Sequence[float] | None = None,
    roi: Tensor | None = None,
) -> Tensor:
    """Outline the object that was clicked, with every click on its right side.

    Args:
        infer: draws the contour of one structure in a region of interest, as :class:`ContourInferer` does.
        image: (C, H, W), as for ``infer``; it may have been flipped since it was read.
        foreground: (N, 2) pixels of the image's FILE, inside the object; the first one is where to look.
        background: (M, 2) pixels of the file, outside the object.
        sides: (width, height) in pixels of the region of interest about the first foreground click.
        roi: (5,) region in the image's present pixels, instead of one about a click: a box that was drawn, or a region
            that was found without clicks.

    The contour of a region about a click that misses the click comes from the wrong object: then a smaller region is
    tried, see :data:`SECOND_LOOK`, and its contour is taken if it has the click inside.

    Returns:
        (K, 2) float64, pixels of the file. See :func:`correct_contour` for how it obeys the clicks.

    Raises:
        ValueError: when nothing says where to look, or the first click or the region misses the image.
    """
    if roi is not None:
        return correct_contour(_outline(infer, image, roi), foreground, background)
    roi = _roi_about_click(image, foreground, sides)
    contour = _outline(infer, image, roi)
    click = torch.as_tensor(foreground, dtype=torch.float64)[:1]
    if float(nearest_on_contour(contour, click).depth) < 0:
        second = _outline(infer, image, expand_roi(roi, SECOND_LOOK))
        if float(nearest_on_contour(second, click).depth) > 0:
            contour = second
    return correct_contour(contour, foreground, background)


def _outline(infer: Callable[..., Sequence[Tensor]], image: MetaTensor, roi: Tensor) -> Tensor:
    """The last contour (K, 2) of one region."""
    (contours,) = infer([image], [roi])
    if contours.ndim != 3:
        raise ValueError(
            f"Expected `infer` to outline one structure, (T + 1, K, 2), but got {tuple(contours.shape)}: choose one of "
            "its structures, such as contours[:, 0], since a click belongs to one contour."
        )
    return contours[-1]


def _roi_about_click(image: MetaTensor, foreground: Tensor | None, sides: Sequence[float] | None) -> Tensor:
    if foreground is None or len(foreground) == 0 or sides is None or len(sides) != 2:
        raise ValueError(
            f"Expected a foreground click and `sides` (width, height), or `roi`, but got foreground={foreground} and "
            f"sides={sides}: click inside the object, or draw a box around it."
        )
    click = torch.as_tensor(foreground[0], dtype=torch.float64)
    (height, width), file_affine = file_grid(image)
    x, y = click.tolist()
    if not (0 <= x <= width and 0 <= y <= height):
        raise ValueError(
            f"Expected the first click inside the image of {width} x {height} (x, y) pixels, but got ({x:g}, {y:g})."
        )
    x, y = map_vertices(click, file_affine, present_grid(image)[1]).tolist()
    return torch.tensor([x, y, *sides, 0.0], dtype=torch.float64)
