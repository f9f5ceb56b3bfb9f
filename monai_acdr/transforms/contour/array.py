# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Contour transforms on single arrays.

Contours have the shape of MONAI's points: (C, N, 2) vertices (x, y) in pixels, not closed, as MetaTensors whose affine
is that of the image frame they are given in (:mod:`monai_acdr.geometry.coordinates` says how the two belong together).
C is the number of structures, from the innermost to the outermost; a structure that is missing is NaN everywhere, and
so is its channel of a mask.
MONAI's own ``ApplyTransformToPoints`` expects (row, column) indices of pixel centers: ``vertices.flip(-1) - 0.5``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from monai.data.meta_tensor import MetaTensor
from monai.transforms import Transform
from monai.utils import TransformBackends, convert_to_dst_type
from torch import Tensor

from monai_acdr.geometry import (
    SMALL_LOOP,
    at_least_float32,
    cut_loops,
    is_nested,
    is_simple,
    map_vertices,
    nest_contours,
    offset_contour,
    pixel_to_world,
    resample,
    settle_contours,
)
from monai_acdr.transforms.contour.functional import (
    TRACING_LEVEL,
    check_mask_rule,
    contour_to_mask,
    draw_mask,
    file_grid,
    mask_to_contour,
    plain_vertices,
    present_grid,
    vertices_in,
)

__all__ = [
    "ContourToImage",
    "ContourToMask",
    "ContourToWorld",
    "FollowImage",
    "LastContour",
    "MaskToContour",
    "NestContours",
    "OffsetContour",
    "ResampleContour",
    "SelectContour",
    "ShiftContour",
]


class MaskToContour(Transform):
    """Trace the largest object of each channel of a mask. See :func:`mask_to_contour`.

    Args:
        level: value that separates object and background.
        num_vertices: place this many vertices at equal arc length; None keeps all traced ones.
    """

    backend = [TransformBackends.NUMPY]

    def __init__(self, level: float = TRACING_LEVEL, num_vertices: int | None = None) -> None:
        self.level = level
        self.num_vertices = num_vertices

    def __call__(self, mask: Tensor) -> Tensor:
        """``mask`` (C, H, W) to contours (C, N, 2), float64, with the mask's affine when it is a MetaTensor.

        A channel that is NaN everywhere is a missing structure: its contour is NaN everywhere.

        Raises:
            ValueError: when a channel is empty, or several channels are traced without ``num_vertices``.
        """
        if mask.ndim != 3:
            raise ValueError(f"Expected a mask (C, H, W), but got {tuple(mask.shape)}: use EnsureChannelFirstd.")
        if mask.shape[0] != 1 and self.num_vertices is None:
            raise ValueError(
                f"Expected one channel, but got {mask.shape[0]}: their contours differ in length, give `num_vertices`."
            )
        contours = [self._trace(channel) for channel in plain_vertices(mask)]
        stacked = torch.stack(contours)
        return vertices_in(stacked, mask.affine) if isinstance(mask, MetaTensor) else stacked

    def _trace(self, channel: Tensor) -> Tensor:
        if channel.is_floating_point() and bool(channel.isnan().all()):
            return torch.full((self.num_vertices or 3, 2), torch.nan, dtype=torch.float64)
        contour = mask_to_contour(channel, self.level)
        return contour if self.num_vertices is None else resample(contour, self.num_vertices)


class ContourToMask(Transform):
    """Rasterize contours by exact area coverage, or as drawn masks. See :func:`contour_to_mask`, :func:`draw_mask`.

    Args:
        size: (H, W) of the mask, unless it comes with the call.
        threshold: None for coverage in [0, 1], otherwise for {0, 1}; drawn masks are {0, 1} in any case.
        fill_rule: "nonzero", "evenodd" or "signed", for coverage.
        rule: "covered", or "drawn" to compare with masks that were drawn with their outline.
    """

    backend = [TransformBackends.TORCH]

    def __init__(
        self,
        size: Sequence[int] | None = None,
        threshold: float | None = None,
        fill_rule: str = "nonzero",
        rule: str = "covered",
    ) -> None:
        self.size = size
        self.threshold = threshold
        self.fill_rule = fill_rule
        self.rule = check_mask_rule(rule)

    def __call__(self, vertices: Tensor, size: Sequence[int] | None = None, rule: str | None = None) -> Tensor:
        """``vertices`` (C, N, 2) or (N, 2) to a mask (C, H, W), float32, with the affine of the vertices.

        A contour that is NaN everywhere gives a channel that is NaN everywhere: the structure is missing.
        """
        chosen = self.size if size is None else size
        if chosen is None:
            raise ValueError("Expected a `size` (H, W), but got None: pass it to ContourToMask or to its call.")
        points = plain_vertices(vertices)
        if check_mask_rule(self.rule if rule is None else rule) == "drawn":
            mask = draw_mask(points, chosen)
        else:
            mask = contour_to_mask(points, chosen, self.threshold, self.fill_rule)
        return MetaTensor(mask, affine=vertices.affine, meta={}) if isinstance(vertices, MetaTensor) else mask


class FollowImage(Transform):
    """Bring vertices into the present pixels of an image, after any spatial transforms of the image.

    Flips, rotations, zooms, crops and pads change the image's affine; vertices carry the affine of the frame they are
    given in, so the two affines define the mapping. Pending (lazy) operations are included.
    """

    backend = [TransformBackends.TORCH]

    def __call__(self, vertices: Tensor, image: Tensor) -> MetaTensor:  # type: ignore[override]
        """``vertices`` (..., N, 2), MetaTensor, to the pixels of ``image`` (C, H, W), with its affine.

        Raises:
            ValueError: when one of the two is not a MetaTensor.
        """
        if not isinstance(vertices, MetaTensor):
            raise ValueError(
                f"Expected vertices as a MetaTensor, but got {type(vertices).__name__}: without an affine, "
                "their frame is unknown; take them from LoadReferenced or MaskToContourd."
            )
        _, affine = present_grid(image)
        return vertices_in(map_vertices(vertices.as_tensor(), vertices.affine, affine), affine)


class ContourToImage(Transform):
    """Bring vertices from the present pixels of an image (a crop) into the pixels of its file."""

    backend = [TransformBackends.TORCH]

    def __call__(self, vertices: Tensor, image: Tensor) -> MetaTensor:  # type: ignore[override]
        """``vertices`` (..., N, 2) in the pixels of ``image`` to those of its file, with the file's affine.

        An affine that ``vertices`` carry is ignored: a network's output inherits any.
        """
        _, present = present_grid(image)
        _, original = file_grid(image)
        return vertices_in(map_vertices(plain_vertices(vertices), present, original), original)


class ContourToWorld(Transform):
    """Bring vertices from the present pixels of an image to the patient: mm, LPS (DICOM's axes)."""

    backend = [TransformBackends.TORCH]

    def __call__(self, vertices: Tensor, image: Tensor) -> Tensor:  # type: ignore[override]
        """``vertices`` (..., N, 2) in the pixels of ``image`` to points (..., N, 3), float64."""
        return pixel_to_world(plain_vertices(vertices), present_grid(image)[1])


class SelectContour(Transform):
    """Take one contour of an evolution.

    Args:
        index: iteration, 0 the first that the network returned, -1 the last.
    """

    backend = [TransformBackends.TORCH]

    def __init__(self, index: int = -1) -> None:
        self.index = index

    def __call__(self, contours: Tensor) -> Tensor:
        """``contours`` (T, K, 2) to (1, K, 2), MONAI's shape of points; (T, N, K, 2) of N structures to (N, K, 2)."""
        if contours.ndim not in (3, 4) or not -contours.shape[0] <= self.index < contours.shape[0]:
            raise ValueError(
                f"Expected contours (T, K, 2), or (T, N, K, 2) of N structures, with iteration {self.index}, but got "
                f"{tuple(contours.shape)}: decollate the batch first, and choose an index below T."
            )
        start = self.index % contours.shape[0]
        return contours[start : start + 1] if contours.ndim == 3 else contours[start]


class LastContour(SelectContour):
    """Contours of an evolution after repair: :func:`monai_acdr.geometry.settle_contours`."""

    def __init__(self) -> None:
        super().__init__(-1)

    def __call__(self, contours: Tensor) -> Tensor:
        """``contours`` (T, K, 2) to (1, K, 2), or (T, N, K, 2) of N structures to (N, K, 2)."""
        last = at_least_float32(super().__call__(contours))
        settled = settle_contours(plain_vertices(contours)).contours[-1].reshape(last.shape)
        return torch.as_tensor(convert_to_dst_type(settled, last)[0])


class NestContours(Transform):
    """Repair contours so that each structure is within the next one: :func:`monai_acdr.geometry.nest_contours`.

    Use it after :class:`LastContour`, and best after :class:`ContourToImage`: contours that are nested in a crop may
    cross by a rounding error in the pixels of the file.
    """

    backend = [TransformBackends.TORCH]

    def __call__(self, contours: Tensor) -> Tensor:
        """``contours`` (N, K, 2), from the innermost to the outermost, to the same shape, with their affine."""
        nested = nest_contours(plain_vertices(contours))
        return torch.as_tensor(convert_to_dst_type(nested, contours, dtype=nested.dtype)[0])


class ShiftContour(Transform):
    """Add a shift to all vertices.

    Args:
        factor: on the shift; -1 undoes it.
    """

    backend = [TransformBackends.TORCH]

    def __init__(self, factor: float = 1.0) -> None:
        self.factor = float(factor)

    def __call__(self, vertices: Tensor, shift: Sequence[float] | Tensor) -> Tensor:  # type: ignore[override]
        """Move (..., K, 2) vertices by ``shift`` (x, y), in their pixels; type, dtype and frame stay.

        Raises:
            ValueError: when the shift is not two finite numbers.
        """
        plain = at_least_float32(plain_vertices(vertices))
        step = torch.as_tensor(shift, dtype=plain.dtype, device=plain.device)
        if step.shape != (2,) or not bool(torch.isfinite(step).all()):
            raise ValueError(f"Expected `shift` to be (x, y), two finite numbers in pixels, but got {shift}.")
        moved = plain + self.factor * step
        return vertices_in(moved, vertices.affine) if isinstance(vertices, MetaTensor) else moved


class OffsetContour(Transform):
    """Move contours outwards by distances in mm, inwards where they are negative.

    For networks whose contours have a known offset from the wanted border. See
    :func:`monai_acdr.geometry.offset_contour`.

    Args:
        offset_mm: one number for each of the N structures, from the innermost to the outermost.

    Raises:
        ValueError: when a distance is not finite, or there is none.
    """

    backend = [TransformBackends.TORCH]

    def __init__(self, offset_mm: Sequence[float]) -> None:
        self.offset_mm = tuple(float(value) for value in offset_mm)
        if not self.offset_mm or not all(math.isfinite(value) for value in self.offset_mm):
            raise ValueError(f"Expected `offset_mm` to be a finite number for each structure, but got {offset_mm}.")

    def __call__(self, vertices: Tensor, spacing: Sequence[float] | Tensor) -> Tensor:  # type: ignore[override]
        """Move (N, K, 2) or (B, N, K, 2) vertices in pixels of (row, column) ``spacing`` in mm.

        Type, dtype and frame stay. Loops caused by the move are cut, and structures that were nested stay nested.

        Raises:
            ValueError: when the contours are not N, or the spacing is not two positive numbers.
        """
        plain = at_least_float32(plain_vertices(vertices))
        scale = torch.as_tensor(spacing, dtype=plain.dtype, device=plain.device)
        if plain.ndim not in (3, 4) or plain.shape[-3] != len(self.offset_mm):
            raise ValueError(
                f"Expected contours ({len(self.offset_mm)}, K, 2), one for each offset, but got {tuple(plain.shape)}."
            )
        if scale.shape != (2,) or not bool((torch.isfinite(scale) & (scale > 0)).all()):
            raise ValueError(f"Expected `spacing` to be two positive numbers in mm, rows then columns, not {spacing}.")
        scale = scale.flip(0)
        moved = offset_contour(plain * scale, plain.new_tensor(self.offset_mm)) / scale
        for place in map(tuple, (~is_simple(moved)).nonzero().tolist()):
            if bool(is_simple(plain[place])):
                moved[place] = cut_loops(moved[place], SMALL_LOOP)
        if len(self.offset_mm) > 1:
            pushed = ~is_nested(moved)
            pushed[pushed.clone()] = is_nested(plain[pushed])
            moved[pushed] = nest_contours(moved[pushed])
        return vertices_in(moved, vertices.affine) if isinstance(vertices, MetaTensor) else moved


class ResampleContour(Transform):
    """Place vertices at equal arc length along closed contours; missing contours (NaN) stay missing.

    Args:
        num_vertices: of each contour, at least 3.
    """

    backend = [TransformBackends.TORCH]

    def __init__(self, num_vertices: int = 128) -> None:
        if num_vertices < 3:
            raise ValueError(f"Expected `num_vertices` to be at least 3, but got {num_vertices}.")
        self.num_vertices = num_vertices

    def __call__(self, vertices: Tensor) -> Tensor:
        """(N, P, 2) in pixels to (N, num_vertices, 2), of the same type and frame."""
        plain = plain_vertices(vertices)
        known = torch.isfinite(plain).flatten(1).all(1)
        result = plain.new_full((len(plain), self.num_vertices, 2), torch.nan)
        result[known] = resample(plain[known], self.num_vertices)
        return vertices_in(result, vertices.affine) if isinstance(vertices, MetaTensor) else result
