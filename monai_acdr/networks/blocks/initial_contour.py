# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Initial contours, "oracles" (A in Algorithm 1).

An oracle is any module or function that takes the image (B, C, H, W) and returns vertices in pixels: (B, K, 2) for one
structure, (B, N, K, 2) for N of them, from the innermost to the outermost. A contour that comes with each image, from
a mask, a click or an earlier result, is passed to the network as ``vertices`` instead;
:class:`monai_acdr.transforms.MaskToContour` makes one from a mask.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from monai_acdr.geometry import check_vertices, ellipse, resample

__all__ = ["BoxContour", "CenteredCircle", "GivenContour", "contour_from_box"]


def contour_from_box(boxes: Tensor, num_vertices: int, shape: str = "ellipse", scale: float = 1.0) -> Tensor:
    """An ellipse or a circle inscribed in each box.

    Args:
        boxes: (..., 4) as (x0, y0, x1, y1) in pixels with x0 < x1 and y0 < y1.
        num_vertices: K.
        shape: ``ellipse``, touching all four sides, or ``circle``, of the smaller side's diameter.
        scale: factor on the radii about the box's center.

    Returns:
        (..., K, 2) vertices in pixels.
    """
    if shape not in ("ellipse", "circle"):
        raise ValueError(f"Expected `shape` to be 'ellipse' or 'circle', but got {shape!r}.")
    if boxes.shape[-1:] != (4,):
        raise ValueError(f"Expected `boxes` to be (..., 4) as (x0, y0, x1, y1), but got {tuple(boxes.shape)}.")
    low, high = boxes[..., :2], boxes[..., 2:]
    radii = scale * (high - low) / 2
    if not bool((radii > 0).all()):
        raise ValueError(f"Expected `boxes` with x0 < x1 and y0 < y1, but got {boxes.tolist()}.")
    if shape == "circle":
        radii = radii.amin(-1, keepdim=True).expand_as(radii)
    return ellipse((low + high) / 2, radii, num_vertices)


def _for_each_image(vertices: Tensor, image: Tensor) -> Tensor:
    """(K, 2) or (N, K, 2) to a copy for each image of a batch (B, C, H, W)."""
    return vertices.to(image.device).repeat([image.shape[0]] + [1] * vertices.ndim)


class CenteredCircle(nn.Module):
    """The paper's oracle: a fixed circle in the middle of the image, 16 pixels wide for 64 x 64.

    Args:
        num_vertices: K.
        diameter: in fractions of the image's smaller side; 0.25 in the paper. A sequence of N of them starts N
            structures, from the innermost to the outermost.

    Example:
        >>> CenteredCircle(32)(torch.zeros(4, 1, 64, 64)).shape
        torch.Size([4, 32, 2])
        >>> CenteredCircle(32, diameter=(0.3, 0.5))(torch.zeros(4, 1, 64, 64)).shape
        torch.Size([4, 2, 32, 2])
    """

    def __init__(self, num_vertices: int = 32, diameter: float | Sequence[float] = 0.25) -> None:
        super().__init__()
        self.several = isinstance(diameter, Sequence)
        self.diameters = [float(value) for value in diameter] if isinstance(diameter, Sequence) else [float(diameter)]
        if len(self.diameters) == 0 or not all(0 < value <= 1 for value in self.diameters):
            raise ValueError(
                f"Expected `diameter` to be a fraction in (0, 1] of the image, or several of them, but got {diameter}."
            )
        self.num_vertices = num_vertices
        self.diameter = self.diameters if self.several else self.diameters[0]

    def forward(self, image: Tensor) -> Tensor:
        """(B, C, H, W) to (B, K, 2), or to (B, N, K, 2) for a sequence of N diameters."""
        height, width = image.shape[-2:]
        center = torch.tensor([width / 2, height / 2], dtype=torch.float32, device=image.device)
        radii = [diameter * min(height, width) / 2 for diameter in self.diameters]
        radius = torch.tensor(radii, dtype=torch.float32, device=image.device)
        vertices = ellipse(center, radius[:, None], self.num_vertices)  # (N, K, 2)
        return _for_each_image(vertices if self.several else vertices[0], image)


class BoxContour(nn.Module):
    """A contour inscribed in one box for all images; see :func:`contour_from_box`.

    Args:
        box: (x0, y0, x1, y1) in pixels of the network's input; a sequence of N boxes starts N structures, from the
            innermost to the outermost.
        num_vertices: K.
        shape: ``ellipse`` or ``circle``.
        scale: factor on the radii.
    """

    def __init__(
        self,
        box: Sequence[float] | Sequence[Sequence[float]],
        num_vertices: int = 32,
        shape: str = "ellipse",
        scale: float = 1.0,
    ) -> None:
        super().__init__()
        boxes = torch.tensor(box, dtype=torch.float32)
        if boxes.ndim > 2:
            raise ValueError(f"Expected `box` to be one box of 4 numbers, or N of them, but got {tuple(boxes.shape)}.")
        vertices = contour_from_box(boxes, num_vertices, shape, scale)
        self.vertices = vertices  # no buffer: `half()` would round it

    def forward(self, image: Tensor) -> Tensor:
        """(B, C, H, W) to (B, K, 2), or to (B, N, K, 2) for N boxes."""
        return _for_each_image(self.vertices, image)


class GivenContour(nn.Module):
    """One contour given by the user, for all images.

    Args:
        vertices: (P, 2) in pixels of the network's input; (N, P, 2) starts N structures, from the innermost to the
            outermost.
        num_vertices: resampled by arc length to this number; kept as they are if None.
    """

    def __init__(
        self, vertices: Tensor | list[list[float]] | list[list[list[float]]], num_vertices: int | None = None
    ) -> None:
        super().__init__()
        given = torch.as_tensor(vertices, dtype=torch.float32)
        check_vertices(given)
        if given.ndim > 3:
            raise ValueError(f"Expected `vertices` to be (P, 2) or (N, P, 2), but got {tuple(given.shape)}.")
        given = given if num_vertices is None else resample(given, num_vertices)
        self.vertices = given  # no buffer: `half()` would round it

    def forward(self, image: Tensor) -> Tensor:
        """(B, C, H, W) to (B, K, 2), or to (B, N, K, 2) for N contours."""
        return _for_each_image(self.vertices, image)
