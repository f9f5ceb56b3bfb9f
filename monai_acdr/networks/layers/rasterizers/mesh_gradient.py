# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The hand-made gradient of Kato et al., "Neural 3D Mesh Renderer" (CVPR 2018), section 3, for silhouettes.

A pixel of a drawn triangle changes all at once where an edge sweeps over its center. The published remedy is to act as
if it changed gradually: if vertex i has to move by dx along an axis until one of its edges reaches the center of pixel
j, and the pixel's value then changes by dI, the derivative is dI / dx. It counts only where the loss asks for that
change, grad_j * dI < 0; else it is zero. The axes are treated apart, and so are the edges of a triangle:

- a pixel outside that nobody has drawn becomes 1 when the edge moves outwards over it;
- a pixel inside, drawn by this triangle, becomes 0 when the edge moves inwards over it, from either side;
- an edge that borders on another triangle changes nothing: what appears behind it has the same value.

An edge that crosses the pixel's row at x, a share t of the way from its start, reaches a center at distance d when its
start moves by d / (1 - t), or its end by d / t.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from monai_acdr.networks.layers.rasterizers.triangle_spans import Crossings, Spans, cut_triangles

__all__ = ["LEAST_DISTANCE", "silhouette_gradient"]

LEAST_DISTANCE = 1 / 16
"""Samples added to all distances between edges and centers, whose reciprocals have no bound: the paper is silent."""

_MOST_PIXELS = 2**17
"""Pixels of rows that are worked on at a time: it bounds the memory, and keeps them in the cache."""


def silhouette_gradient(grad: Tensor, points: Tensor, faces: Tensor, owner: Tensor) -> Tensor:
    """Gradient (P, 2) with respect to the vertices of silhouettes, given that of the pixels.

    Args:
        grad: (B, H, W) dL/dI of the pixels.
        points: (P, 2) finite vertices of all contours, in pixels.
        faces: (B, M, 3) indices into ``points``.
        owner: (B, H, W) number of the triangle, out of B * M, that a pixel shows; B * M for none.
    """
    along_x = _gradient_along_rows(grad, points, faces, owner)
    transposed = grad.transpose(1, 2), points.flip(1), faces, owner.transpose(1, 2)
    return torch.stack([along_x, _gradient_along_rows(*transposed)], dim=1)


def _gradient_along_rows(grad: Tensor, points: Tensor, faces: Tensor, owner: Tensor) -> Tensor:
    """Gradient (P,) with respect to the coordinate along the rows of the images."""
    drawn = owner < faces.shape[0] * faces.shape[1]
    # What the loss asks for: a pixel that is not drawn can only become brighter, one that is only darker.
    asked = torch.where(drawn, grad.clamp(min=0), grad.clamp(max=0)).flatten(0, 1)
    drawn = F.pad(drawn, (2, 2)).flatten(0, 1)
    owner = owner.flatten(0, 1)
    result = torch.zeros(len(points), dtype=points.dtype, device=points.device)
    for spans in cut_triangles(points, faces, (grad.shape[1], grad.shape[2])):
        for is_right in (False, True):
            visible = _is_visible(spans, drawn, is_right).nonzero()[:, 0]
            for some in visible.split(max(1, _MOST_PIXELS // grad.shape[2])):
                crossings = (spans.right if is_right else spans.left)[some]
                pull = _pull(spans, some, crossings.x, asked, owner, is_right)
                result = _add(result, crossings, pull)
    return result


def _is_visible(spans: Spans, drawn: Tensor, is_right: bool) -> Tensor:
    """(N,) whether an edge borders on the background: its inner neighbour is a drawn pixel, its outer one is not.

    Whose pixel the inner one is does not matter: triangles may be too thin to hold a center. Nothing is drawn outside
    the frame, so that edges out there are not visible.
    """
    inner = spans.stop - 1 if is_right else spans.first
    outer = inner + 1 if is_right else inner - 1
    margin = 2
    return drawn[spans.line, inner + margin] & ~drawn[spans.line, outer + margin]


def _pull(spans: Spans, some: Tensor, x: Tensor, asked: Tensor, owner: Tensor, is_right: bool) -> Tensor:
    """(n,) sum of dI / d over the pixels of a row, where the edge changes them as asked."""
    line = spans.line[some]
    column = torch.arange(asked.shape[1], device=x.device)
    is_outside = column >= spans.stop[some, None] if is_right else column < spans.first[some, None]
    is_own = owner.index_select(0, line) == spans.face[some, None]
    asked = asked.index_select(0, line)
    asked = torch.where(is_own, asked, asked.clamp(max=0).mul_(is_outside))
    distance = ((column + 0.5).to(asked.dtype) - x.to(asked.dtype)[:, None]).abs_().add_(LEAST_DISTANCE)
    pull = asked.div_(distance).sum(1).to(x.dtype)
    return pull if is_right else -pull


def _add(result: Tensor, crossings: Crossings, pull: Tensor) -> Tensor:
    """Share the pull between the ends of the edges; in a fixed order on every device."""
    index = torch.cat([crossings.start, crossings.end])
    values = torch.cat([(1 - crossings.t) * pull, crossings.t * pull])
    if result.device.type == "cpu":
        return result.index_add_(0, index, values)
    return result.index_put_((index,), values, accumulate=True)
