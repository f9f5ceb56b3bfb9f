# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Contours on plain tensors: conversion from and to masks, and the frame of their pixels.

Masks to contours by marching squares, and back by exact area coverage, the rule ``covered``. The rule ``drawn`` is
for masks that were drawn with their outline, as the public Sunnybrook PNG masks.

Readers' contour files hold pixel-center coordinates on a grid of half pixels. The PNG masks are Pillow's
``ImageDraw.polygon(vertices, fill=1, outline=1)`` of them, and Pillow drops the half pixels. Measured on the 165
pairs of mask and contour file of six patients (108 endocardia, 57 epicardia), the mask equals that drawing in every
pixel. Two properties follow:

- area(mask) = area(contour) + 0.524 px x perimeter(contour): the outline takes half a pixel all round, 7.6 % of the
  area of an endocardium;
- the mask lies 0.25 px nearer to the image's origin than the contour, in x and in y.

So the contour of such a mask is its outline moved inwards and shifted back (:func:`inset_outline`), and a contour is
drawn by the same rule before it is compared with such a mask (:func:`draw_mask`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import contourpy
import numpy as np
import torch
from monai.data.meta_tensor import MetaTensor
from monai.utils.enums import MetaKeys
from PIL import Image, ImageDraw
from scipy import ndimage
from torch import Tensor

from monai_acdr.geometry import at_least_float32, is_simple, perimeter, pixel_to_centers, resample, signed_area
from monai_acdr.networks.layers import ExactOptions, rasterize_polygons

__all__ = [
    "DRAWN_MARGIN_PX",
    "DRAWN_SHIFT_PX",
    "MASK_RULE",
    "MASK_RULES",
    "OUTLINE_VERTICES",
    "TRACING_LEVEL",
    "check_mask_rule",
    "check_same_frame",
    "contour_to_mask",
    "draw_mask",
    "file_grid",
    "file_name",
    "inset_outline",
    "mask_rule",
    "mask_to_contour",
    "mask_to_contours",
    "mask_to_rings",
    "plain_vertices",
    "present_grid",
    "trace_mask",
    "vertices_in",
]


TRACING_LEVEL = 0.499
"""Default level of :func:`mask_to_contour`. Marching squares at exactly 0.5 gives a one-pixel object the coverage 0.5,
which rounding decides, and separates pixels that touch by a corner; a thousandth of a pixel below, the smallest
coverage of an object's pixel is 0.502 and the largest of any other pixel 0.26."""


def mask_to_contour(mask: Tensor, level: float = TRACING_LEVEL) -> Tensor:
    """Outline of the largest object of a mask, with sub-pixel vertices.

    ``rasterize_polygons(contour) >= 0.5`` is the traced object again, pixel by pixel, for a binary mask: one object
    (pixels that touch by a corner belong together), its holes filled. The traced edges lie ``0.5 - level`` pixels
    outside the pixels' own edges and cut their corners by 1/8 of a pixel each.

    Args:
        mask: (H, W), bool or number, values in [0, 1]; objects may touch the border.
        level: value that separates object and background.

    Returns:
        (N, 2) float64 vertices in pixels, not closed, with positive :func:`monai_acdr.geometry.signed_area`.

    Raises:
        ValueError: when nothing in ``mask`` exceeds ``level``.
    """
    return mask_to_contours(mask, level)[0]


def mask_to_contours(mask: Tensor, level: float = TRACING_LEVEL) -> list[Tensor]:
    """Outer contours of all objects of a mask, largest area first. See :func:`mask_to_contour`.

    Objects inside a hole of another object are included, holes are not.
    """
    rings, holes = mask_to_rings(mask, level)
    return [ring for ring, hole in zip(rings, holes, strict=True) if not hole]


def mask_to_rings(mask: Tensor, level: float = TRACING_LEVEL) -> tuple[list[Tensor], list[bool]]:
    """Outer contours of all objects of a mask and contours of their holes, largest area first.

    Drawn in this order, each outer contour adding its area and each hole removing it, they reproduce the mask:
    a hole comes after the object that it is in, an object within a hole after the hole. Objects are connected by edges
    and corners, holes by edges. Holes of a binary mask are traced at ``1 - level``: they keep their pixels as well.

    Returns:
        (N, 2) float64 vertices in pixels, not closed, with positive :func:`monai_acdr.geometry.signed_area`, holes
        with negative; and for each whether it is a hole.

    Raises:
        ValueError: when nothing in ``mask`` exceeds ``level``.
    """
    if mask.ndim != 2:
        raise ValueError(f"Expected `mask` to be (H, W), but got {tuple(mask.shape)}: take one channel, e.g. mask[0].")
    padded = np.pad(mask.detach().cpu().numpy().astype(np.float64), 1)  # closes objects that touch the border
    binary = bool(np.isin(padded, (0, 1)).all())
    found = []
    for line in contourpy.contour_generator(z=padded, name="serial", line_type="Separate").lines(level):
        vertices = np.asarray(line, dtype=np.float64)[:-1]
        area = float(signed_area(torch.from_numpy(vertices)))
        if area < 0 and binary:  # from `level` to `1 - level`, away from the hole's pixels
            vertices = 2 * np.floor(vertices) + (vertices != np.floor(vertices)) - vertices
        if area != 0:
            # Index i of the padded array is the center of pixel i - 1.
            found.append((area, torch.from_numpy(vertices - 0.5)))
    if not any(area > 0 for area, _ in found):
        raise ValueError(
            f"Expected a mask with values above {level:g}, but its maximum is {float(padded.max()):g}: "
            "an empty mask has no contour; leave this frame out or check its label file."
        )
    found.sort(key=lambda item: -abs(item[0]))
    return [ring for _, ring in found], [area < 0 for area, _ in found]


def contour_to_mask(
    vertices: Tensor, size: Sequence[int], threshold: float | None = None, fill_rule: str = "nonzero"
) -> Tensor:
    """Mask of contours by the area they cover in each pixel.

    Args:
        vertices: (C, N, 2), or (N, 2) for one contour, in pixels. A contour that is NaN everywhere is missing.
        size: (H, W) of the mask.
        threshold: None for the coverage itself; otherwise 1 where the coverage reaches it, 0 elsewhere.
        fill_rule: see :func:`rasterize_polygons`.

    Returns:
        (C, H, W) float32, one channel for each contour; NaN everywhere for one that is missing.
    """
    contours = at_least_float32(vertices[None] if vertices.ndim == 2 else vertices)
    if contours.ndim != 3:
        raise ValueError(
            f"Expected `vertices` to be (N, 2) or (C, N, 2), but got {tuple(vertices.shape)}: "
            "rasterize a batch with rasterize_polygons."
        )
    missing = contours.isnan().flatten(1).all(1) & (contours.shape[1] > 0)
    if bool(missing.any()):
        mask = torch.full((len(contours), int(size[0]), int(size[1])), torch.nan, device=contours.device)
        if not bool(missing.all()):
            mask[~missing] = contour_to_mask(contours[~missing], size, threshold, fill_rule)
        return mask
    mask = torch.zeros(contours.shape[0], int(size[0]), int(size[1]), device=contours.device)
    rows, columns = _covered(contours, mask.shape[1:])
    window = (rows.stop - rows.start, columns.stop - columns.start)
    if min(window) > 0:  # otherwise a whole float64 mammogram would be drawn for a mass of a few pixels
        corner = torch.tensor([columns.start, rows.start], dtype=contours.dtype, device=contours.device)
        coverage = rasterize_polygons(contours - corner, window, ExactOptions(fill_rule=fill_rule))[:, 0]
        mask[:, rows, columns] = (coverage if threshold is None else coverage >= threshold).to(torch.float32)
    return mask


def _covered(contours: Tensor, size: Sequence[int]) -> tuple[slice, slice]:
    """Rows and columns of an image that contours can cover; all of them where a vertex is not finite."""
    height, width = size
    points = contours.detach().flatten(0, 1)
    if not points.numel() or not bool(torch.isfinite(points).all()):
        return slice(0, height), slice(0, width)
    low, high = points.amin(0).floor().tolist(), points.amax(0).ceil().tolist()
    (left, right), (top, bottom) = (
        (int(min(max(low[axis], 0), limit)), int(min(max(high[axis], 0), limit)))
        for axis, limit in enumerate((width, height))
    )
    return slice(top, bottom), slice(left, right)


DRAWN_MARGIN_PX = 0.524
"""Distance in pixels of a drawn mask's outline from its contour: standard deviation 0.026 over 165 masks."""


DRAWN_SHIFT_PX = 0.25
"""Shift in pixels of a drawn mask's contour against its outline, in x and in y: half of the half pixel cut off."""


MASK_RULES = ("covered", "drawn")
"""Rules from contour to mask. ``covered``: the pixels of which the contour covers at least half, this
package's rule; ``drawn``: as described at the top of this module."""


MASK_RULE = "mask_rule"
"""Key of the rule in a mask's metadata."""


OUTLINE_VERTICES = 128
"""Number of vertices of :func:`inset_outline`."""


SMOOTHING_PX = 1.0
"""Standard deviation, in pixels of arc length, of the Gaussian that smooths the pixel steps of an outline."""


PADDING = 4
"""Pixels by which an object at the image's border is continued, so that its contour ends at the border."""


LEAST_AREA = 0.1
"""Smallest share of a mask's area that its contour encloses: a mask as thin as a line has no contour at the margin."""


READER_GRID_PX = 0.5
"""Grid of the coordinates in readers' files, pixels."""


FAR = 2.0**20
"""Coordinates are clamped to this magnitude, in pixels."""


MAX_POINTS = 1_000_000
"""Largest number of points of a drawn contour; longer contours get longer steps."""


def check_mask_rule(rule: str, name: str = "rule") -> str:
    """Return a rule of ``MASK_RULES``; raise a ValueError for any other."""
    if rule not in MASK_RULES:
        raise ValueError(f"Expected `{name}` to be one of {list(MASK_RULES)}, but got {rule!r}.")
    return rule


def mask_rule(mask: Any, default: str = "covered") -> str:
    """Rule in a mask's metadata, otherwise the default; raise a ValueError for an unknown one."""
    return check_mask_rule(str(mask.meta.get(MASK_RULE, default)) if isinstance(mask, MetaTensor) else default)


def draw_mask(vertices: Tensor, size: Sequence[int]) -> Tensor:
    """Draw contours as the Sunnybrook PNG masks were drawn.

    The contour is rounded to a chain of neighbors on the half-pixel grid of readers' files, in pixel-center
    coordinates, cut to whole pixels, and filled with its outline. The mask of a reader's contour is the public one in
    every pixel; its width does not depend on the number of vertices.

    Args:
        vertices: (C, N, 2), or (N, 2) for one contour, in pixels; contours that are all NaN are unknown.
        size: (H, W) of the mask.

    Returns:
        (C, H, W) float32 of 0 and 1, one channel per contour, NaN where the contour is unknown.

    Raises:
        ValueError: for another shape, or vertices that are infinite, or NaN in part.
    """
    contours = at_least_float32(vertices[None] if vertices.ndim == 2 else vertices)
    if contours.ndim != 3 or contours.shape[-1] != 2 or contours.shape[1] < 3:
        raise ValueError(
            f"Expected `vertices` to be (N >= 3, 2) or (C, N >= 3, 2), but got {tuple(vertices.shape)}: draw the "
            "contours of one image at a time."
        )
    points = pixel_to_centers(contours.detach().to("cpu", torch.float64)).numpy()
    height, width = int(size[0]), int(size[1])
    masks = np.zeros((len(points), height, width), dtype=np.float32)
    for mask, contour in zip(masks, points, strict=True):
        if np.isnan(contour).all():
            mask[:] = np.nan
        elif not np.isfinite(contour).all():
            raise ValueError("Expected finite `vertices`, or all NaN for a missing contour, but got a mix: check them.")
        else:
            mask[:] = _draw(contour, (height, width))
    return torch.from_numpy(masks).to(contours.device)


def trace_mask(mask: Tensor, rule: str) -> Tensor:
    """Contour of a mask made by a rule: :func:`inset_outline` if it was drawn, otherwise its outline.

    Args:
        mask: (H, W), bool or number, values in [0, 1].
        rule: of :data:`MASK_RULES`.

    Returns:
        (N, 2) float64 vertices in pixels.
    """
    return inset_outline(mask) if check_mask_rule(rule) == "drawn" else mask_to_contour(mask)


def inset_outline(mask: Tensor) -> Tensor:
    """Contour that a drawn mask was made from: its outline moved inwards, and shifted.

    The pixel steps of the traced outline (:func:`~monai_acdr.transforms.contour.mask_to_contour`, the largest object)
    are smoothed, and it is moved along its normals until it encloses A - m P + pi m^2, A and P being the outline's area
    and perimeter and m ``DRAWN_MARGIN_PX``; then it is shifted by ``DRAWN_SHIFT_PX``. Against the contour files of 165
    masks the area is right to 0.1 % on average (standard deviation 0.5 %), and the mean distance 0.16 px. Contours of a
    radius of 3 pixels come out 0.1 px too small.

    Where the object touches the image's border, the contour ends at the border. A mask too thin for the distance, such
    as a line, gives a contour of a tenth of its area.

    Args:
        mask: (H, W), bool or number, values in [0, 1].

    Returns:
        (128, 2) float64 vertices in pixels, not closed, with positive
        :func:`~monai_acdr.geometry.signed_area`.

    Raises:
        ValueError: when the mask is empty or has another shape.
    """
    if mask.ndim != 2:
        raise ValueError(f"Expected `mask` to be (H, W), but got {tuple(mask.shape)}: take one channel, e.g. mask[0].")
    values = mask.detach().cpu().numpy().astype(np.float64)
    outline = mask_to_contour(torch.from_numpy(np.pad(values, PADDING, mode="edge")))
    area = float(signed_area(outline))
    points = resample(outline, OUTLINE_VERTICES)
    length = float(perimeter(points))
    target = max(area - DRAWN_MARGIN_PX * length + math.pi * DRAWN_MARGIN_PX**2, LEAST_AREA * area)
    sigma = SMOOTHING_PX * OUTLINE_VERTICES / length
    smooth = ndimage.gaussian_filter1d(points.numpy(), sigma, axis=0, mode="wrap")
    contour = _offset(smooth, target) - PADDING + DRAWN_SHIFT_PX
    inside = np.clip(contour, 0, (values.shape[1], values.shape[0]))
    if (inside != contour).any():
        return resample(torch.from_numpy(inside), OUTLINE_VERTICES)
    return torch.from_numpy(contour)


def _draw(contour: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(N, 2) in pixel-center coordinates to (H, W) of 0 and 1."""
    # Far outside of the image nothing is drawn: Pillow counts in 32 bits.
    whole = np.floor(np.clip(_chain(contour), -FAR, FAR)).astype(np.int64)
    picture = Image.new("L", (size[1], size[0]))
    points = [(int(x), int(y)) for x, y in whole]
    points += points[: max(0, 2 - len(points))]  # a contour within one pixel: Pillow needs two points
    ImageDraw.Draw(picture).polygon(points, fill=1, outline=1)
    return np.asarray(picture)


def _chain(contour: np.ndarray) -> np.ndarray:
    """Contour (N, 2) as a chain (M, 2) on the grid of readers' files: each point is a neighbor of the previous one."""
    following = np.roll(contour, -1, axis=0)
    lengths = np.hypot(*(following - contour).T)
    step = max(READER_GRID_PX / 2, float(lengths.sum()) / MAX_POINTS)
    counts = np.maximum(1, np.ceil(lengths / step)).astype(np.int64)
    edge = np.repeat(np.arange(len(contour)), counts)
    share = (np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)) / counts[edge]
    points = np.floor((contour[edge] + share[:, None] * (following - contour)[edge]) / READER_GRID_PX + 0.5)
    points = points[(points != np.roll(points, 1, axis=0)).any(axis=1)]
    chain: list[tuple[float, float]] = []
    for x, y in points.tolist():
        # A corner between two diagonal neighbors is left out: it would make the mask wider.
        if len(chain) > 1 and max(abs(x - chain[-2][0]), abs(y - chain[-2][1])) <= 1:
            chain.pop()
        chain.append((x, y))
    return np.array(chain or contour[:1] / READER_GRID_PX) * READER_GRID_PX


def _offset(points: np.ndarray, area: float) -> np.ndarray:
    """Move a contour (N, 2) of positive area along its normals so that it encloses an area, without crossing itself."""
    tangent = np.roll(points, -1, axis=0) - np.roll(points, 1, axis=0)
    normal = np.stack([tangent[:, 1], -tangent[:, 0]], axis=1)  # outwards
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)

    def moved(distance: float) -> np.ndarray:
        return np.asarray(points + distance * normal)

    low, high = -2 * DRAWN_MARGIN_PX, 2 * DRAWN_MARGIN_PX
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if _area(moved(middle)) < area else (low, middle)
    distance = (low + high) / 2
    if not is_simple(torch.from_numpy(moved(distance))):
        # The object is too thin somewhere: go as far as is possible, and scale the rest.
        possible, crossing = 0.0, distance
        for _ in range(20):
            middle = (possible + crossing) / 2
            simple = bool(is_simple(torch.from_numpy(moved(middle))))
            possible, crossing = (middle, crossing) if simple else (possible, middle)
        distance = possible
    contour = moved(distance)
    center = contour.mean(axis=0)
    return np.asarray(center + math.sqrt(area / _area(contour)) * (contour - center))


def _area(points: np.ndarray) -> float:
    return float(signed_area(torch.from_numpy(points)))


AFFINE_TOLERANCE = 1e-4
"""Largest difference, in mm, between the entries of two affines that count as the same frame."""


def present_grid(image: Tensor) -> tuple[tuple[int, int], Tensor]:
    """Size (H, W) and affine of an image (C, H, W) after its pending operations.

    Raises:
        ValueError: when the image is not a MetaTensor.
    """
    if not isinstance(image, MetaTensor):
        raise ValueError(
            f"Expected a MetaTensor image, but got {type(image).__name__}: its affine says where its pixels lie; "
            "load it with LoadImaged and keep MONAI's metadata tracking on."
        )
    height, width = image.peek_pending_shape()
    return (int(height), int(width)), image.peek_pending_affine()


def file_grid(image: Tensor) -> tuple[tuple[int, int], Tensor]:
    """Size (H, W) and affine of the image's file, from its metadata ``spatial_shape`` and ``original_affine``.

    Raises:
        ValueError: when the metadata lack them.
    """
    meta = image.meta if isinstance(image, MetaTensor) else {}
    shape, affine = meta.get(MetaKeys.SPATIAL_SHAPE), meta.get(MetaKeys.ORIGINAL_AFFINE)
    if shape is None or affine is None or len(shape) != 2:
        raise ValueError(
            "Expected an image whose metadata have a 2-D `spatial_shape` and an `original_affine`, but "
            f"{file_name(image)} has {shape} and {affine}: put CheckImaged after LoadImaged and EnsureChannelFirstd."
        )
    return (int(shape[0]), int(shape[1])), torch.as_tensor(affine)


def vertices_in(vertices: Tensor, affine: Tensor) -> MetaTensor:
    """Vertices as a MetaTensor that carries the affine of the frame they are given in."""
    return MetaTensor(plain_vertices(vertices), affine=affine, meta={})


def plain_vertices(vertices: Tensor) -> Tensor:
    """Vertices without metadata."""
    return vertices.as_tensor() if isinstance(vertices, MetaTensor) else vertices


def check_same_frame(vertices: Tensor, affine: Tensor) -> None:
    """Raise a ValueError when vertices carry another affine than the image they are to be drawn into."""
    if not isinstance(vertices, MetaTensor) or vertices.affine is affine:
        return
    own = vertices.affine.to("cpu", torch.float64)
    if own.shape != affine.shape or not torch.allclose(own, affine.to(own), rtol=0, atol=AFFINE_TOLERANCE):
        raise ValueError(
            f"Expected vertices in the frame with affine {affine.tolist()}, but they carry {own.tolist()}: "
            "use FollowImaged to bring them into the image's present pixels, ContourToImaged into those of its file."
        )


def file_name(image: Any) -> str:
    """Base name of the image's file, for messages: folders may hold a patient's name."""
    name = image.meta.get("filename_or_obj") if isinstance(image, MetaTensor) else None
    return str(name).replace("\\", "/").rsplit("/", 1)[-1] if name else "the image"
