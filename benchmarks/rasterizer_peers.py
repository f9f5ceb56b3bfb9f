# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Other rasterizers, called with our vertices: (x, y) in pixels, the center of pixel (c, r) at (c + 0.5, r + 0.5).

Each maker takes (size, number of vertices, device) and returns a function of vertices (B, K, 2) that draws (B, H, W)
masks. The conversion of our vertices is part of a peer's time; it is small. Peers that draw on the CPU return arrays of
bytes, without conversion.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
import torch
from torch import Tensor

FRACTION_BITS = 8
"""cv2 takes fixed-point integers with this many fractional bits."""


def make_torch_contour(size: int, num_vertices: int, device: str) -> Callable[[Tensor], Tensor]:
    """ContourToMask of torch_contour: points (row, column) in [0, 1], sampled at the pixels' corners."""
    layer = import_module("torch_contour").ContourToMask(size).to(device)
    return lambda vertices: layer(((vertices.flip(-1) - 0.5) / size)[:, None])[:, 0]


def make_skimage(size: int, num_vertices: int, device: str) -> Callable[[Tensor], Any]:
    """skimage.draw.polygon: rows and columns, with pixel centers at whole numbers."""
    draw = import_module("skimage.draw")

    def rasterize(vertices: Tensor) -> Any:
        points = vertices.detach().numpy() - 0.5
        masks = np.zeros((len(points), size, size), np.uint8)
        for mask, polygon in zip(masks, points, strict=True):
            mask[draw.polygon(polygon[:, 1], polygon[:, 0], mask.shape)] = 1
        return masks

    return rasterize


def make_cv2(size: int, num_vertices: int, device: str) -> Callable[[Tensor], Any]:
    """cv2.fillPoly: fixed-point (x, y), with pixel centers at whole numbers; it draws the outline's pixels too."""
    cv2 = import_module("cv2")
    cv2.setNumThreads(torch.get_num_threads())

    def rasterize(vertices: Tensor) -> Any:
        points = np.rint((vertices.detach().numpy() - 0.5) * 2**FRACTION_BITS).astype(np.int32)
        masks = np.zeros((len(points), size, size), np.uint8)
        for mask, polygon in zip(masks, points, strict=True):
            cv2.fillPoly(mask, [polygon], 1, cv2.LINE_8, FRACTION_BITS)
        return masks

    return rasterize


def make_pil(size: int, num_vertices: int, device: str) -> Callable[[Tensor], Any]:
    """PIL's ImageDraw.polygon: whole (x, y), the pixel that a vertex lies in; it draws the outline's pixels too."""
    image_module, draw_module = import_module("PIL.Image"), import_module("PIL.ImageDraw")

    def rasterize(vertices: Tensor) -> Any:
        points = np.floor(vertices.detach().numpy()).astype(np.int32).reshape(len(vertices), -1).tolist()
        masks = np.empty((len(points), size, size), np.uint8)
        for mask, polygon in zip(masks, points, strict=True):
            image = image_module.new("L", (size, size))
            draw_module.Draw(image).polygon(polygon, fill=1)
            mask[:] = image
        return masks

    return rasterize


def make_cumsum(size: int, num_vertices: int, device: str) -> Callable[[Tensor], Tensor]:
    """Not a rasterizer: the cumulative sum along the rows of an existing image, the floor for our methods."""
    return _on_images(size, lambda image: image.cumsum(-1))


def make_fill(size: int, num_vertices: int, device: str) -> Callable[[Tensor], Tensor]:
    """Not a rasterizer: write one number to each pixel, at the speed of memory."""
    return _on_images(size, lambda image: image.fill_(1))


def _on_images(size: int, work: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """Apply ``work`` to images that are made at the first call with a number of polygons."""
    images: dict[int, Tensor] = {}

    def rasterize(vertices: Tensor) -> Tensor:
        count = len(vertices)
        if count not in images:
            images[count] = torch.zeros(count, size, size, dtype=vertices.dtype, device=vertices.device)
        return work(images[count])

    return rasterize
