# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The paper's renderer (R in Algorithm 1, eq. 4): silhouettes of triangles, with a custom gradient.

The triangles are a Delaunay triangulation of the initial contour (L in Algorithm 1). The faces are found once and stay
fixed while the vertices move: a contour that has evolved far is drawn as moved triangles, which may overlap or reach
outside the polygon. A triangle meets a row of pixel centers in one span or not at all; rows and spans are half open, so
that triangles that share an edge share no pixel.

The gradient is that of Kato et al., "Neural 3D Mesh Renderer" (CVPR 2018), section 3, for silhouettes. A pixel of a
drawn triangle changes all at once where an edge sweeps over its center. The published remedy is to act as if it changed
gradually: if vertex i has to move by dx along an axis until one of its edges reaches the center of pixel j, and the
pixel's value then changes by dI, the derivative is dI / dx. It counts only where the loss asks for that change,
grad_j * dI < 0; otherwise it is zero. The axes are treated separately, and so are the edges of a triangle:

- a pixel outside that is not drawn becomes 1 when the edge moves outwards over it;
- a pixel inside, drawn by this triangle, becomes 0 when the edge moves inwards over it, from either side;
- an edge that borders on another triangle changes nothing: the pixel behind it has the same value.

An edge that crosses the pixel's row at x, a share t of the way from its start, reaches a center at distance d when its
start moves by d / (1 - t), or its end by d / t.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from scipy.spatial import Delaunay, QhullError
from torch import Tensor
from torch.nn import functional as F

from monai_acdr.geometry import check_vertices, circle
from monai_acdr.networks.layers.rasterizers.first_order import first_derivative_only

__all__ = [
    "LEAST_DISTANCE",
    "Crossings",
    "Spans",
    "checked_faces",
    "circle_faces",
    "cut_triangles",
    "delaunay_faces",
    "expand_ranges",
    "first_center",
    "rasterize_mesh",
    "silhouette_gradient",
]

_MOST_PIXELS = 2**20
"""Pixels of triangles painted per block: bounds the memory."""

_FARTHEST = 1e30
"""Coordinates are clamped to this: products and differences of them are finite, in float32 as well."""

LEAST_DISTANCE = 1 / 16
"""Samples added to all distances between edges and centers to bound their reciprocals; the paper does not say how."""

_MOST_GRADIENT_PIXELS = 2**17
"""Pixels of rows per block: bounds the memory, and keeps a block in the cache."""

_MOST_ROWS = 2**20
"""Rows per block, counting all rows of the frame for each triangle: bounds the memory."""

_CIRCLE_RADIUS = 2**20
"""Vertices of a circle of this radius are rounded to integers: the same faces on every machine."""


def rasterize_mesh(
    vertices: Tensor, size: tuple[int, int], faces: Tensor | None = None, anti_aliasing: int = 2
) -> Tensor:
    """Silhouettes of triangles over the vertices of contours, as Kato et al. draw and differentiate them (CVPR 2018).

    An image of ``anti_aliasing`` times the size is 1 where the center of a pixel lies in any triangle, and its average
    over blocks is the mask. The gradient is not that of this image, which has none, but the published approximation:
    see :func:`silhouette_gradient`. It reaches vertices far from where the mask should change, and differs from the
    derivative of the covered area in length and direction.

    Limits. The moved triangles of the initial contour are drawn, not the polygon: where the contour has become
    concave they reach outside it, by a few percent of its area on lobed shapes and 10 to 38 % on C-shapes, and where
    triangles have turned over they overlap. Masks have steps of 1 / anti_aliasing ** 2. Edges outside the frame have no
    gradient. For the polygon itself use the exact method.

    Args:
        vertices: (B, K, 2) contours in pixels, float32 or float64.
        size: (H, W).
        faces: (M, 3) or (B, M, 3) vertex indices of the triangles, of either orientation, as :func:`delaunay_faces`
            gives them for the initial contour; they stay the same while it evolves. None: the triangles of a circle
            with K vertices.
        anti_aliasing: samples per pixel along each axis; 2 in the paper's renderer, 1 for hard-edged masks.

    Returns:
        (B, H, W) of the dtype of ``vertices``, once differentiable. A contour with NaN or Inf gives NaN and has zero
        gradient.

    Raises:
        ValueError: for faces of the wrong shape or dtype or with indices that are not vertices, or if
            ``anti_aliasing`` is not a positive whole number.

    Example:
        >>> square = torch.tensor([[[1.0, 0.0], [3.0, 0.0], [3.0, 1.0], [1.0, 1.0]]])
        >>> rasterize_mesh(square, (1, 4))
        tensor([[[0., 1., 1., 0.]]])
    """
    if int(anti_aliasing) != anti_aliasing or anti_aliasing < 1:
        raise ValueError(f"Expected `anti_aliasing` to be a positive whole number, but got {anti_aliasing}.")
    faces = checked_faces(faces, vertices)
    finite = torch.isfinite(vertices).flatten(1).all(1)[:, None, None]
    samples = torch.where(finite, vertices, 0).clamp(-_FARTHEST, _FARTHEST) * anti_aliasing
    height, width = size[0] * anti_aliasing, size[1] * anti_aliasing
    first_vertex = vertices.shape[1] * torch.arange(len(vertices), device=vertices.device)[:, None, None]
    silhouette = _Silhouette.apply(samples, faces + first_vertex, (height, width))
    mask = F.avg_pool2d(silhouette[:, None], anti_aliasing)[:, 0]
    return mask.masked_fill(~finite, float("nan"))


def checked_faces(faces: Tensor | None, vertices: Tensor) -> Tensor:
    """(B, M, 3) int64 faces for vertices (B, K, 2), on their device; the triangles of a circle if None.

    Raises:
        ValueError: see :func:`rasterize_mesh`.
    """
    batch, num_vertices = vertices.shape[:2]
    faces = circle_faces(num_vertices) if faces is None else faces
    if faces.shape[-1:] != (3,) or faces.ndim not in (2, 3) or faces.shape[:-2] not in ((), (batch,)):
        raise ValueError(f"Expected `faces` to be (M, 3) or ({batch}, M, 3), but got {tuple(faces.shape)}.")
    if faces.is_floating_point() or faces.is_complex() or faces.dtype == torch.bool:
        raise ValueError(f"Expected `faces` to be integers, but got {faces.dtype}.")
    faces = faces.to(vertices.device, torch.int64).expand(batch, -1, 3)
    if faces.numel() and not (0 <= int(faces.min()) and int(faces.max()) < num_vertices):
        raise ValueError(
            f"Expected `faces` to be indices of {num_vertices} vertices, but got {int(faces.min())} .. "
            f"{int(faces.max())}: triangulate a contour with as many vertices as this one."
        )
    return faces


class _Silhouette(torch.autograd.Function):
    """(B, H, W) of 0 and 1 from vertices (B, K, 2) in samples, and faces (B, M, 3) that index all B * K of them."""

    @staticmethod
    def forward(ctx, vertices, faces, size):  # type: ignore[no-untyped-def]
        owner = _draw(_points(vertices), faces, size)
        ctx.save_for_backward(vertices, faces, owner)
        return (owner < faces.shape[0] * faces.shape[1]).to(vertices.dtype)

    @staticmethod
    @first_derivative_only("mesh")
    def backward(ctx, grad):  # type: ignore[no-untyped-def]
        vertices, faces, owner = ctx.saved_tensors
        gradient = silhouette_gradient(grad, _points(vertices), faces, owner)
        return gradient.view(vertices.shape).to(vertices.dtype), None, None


def _points(vertices: Tensor) -> Tensor:
    """(B * K, 2), in float64 where the device has it: there are few vertices and many pixels."""
    return vertices.flatten(0, 1).to(vertices.dtype if vertices.device.type == "mps" else torch.float64)


def _draw(points: Tensor, faces: Tensor, size: tuple[int, int]) -> Tensor:
    """(B, H, W) int32 number of the triangle that a pixel shows, B * M for none.

    All triangles are equally far away; where they overlap the first one is in front.
    """
    batch, (height, width) = faces.shape[0], size
    background = batch * faces.shape[1]
    owner = torch.full((batch * height * width,), background, dtype=torch.int32, device=points.device)
    for spans in cut_triangles(points, faces, size):
        first, stop = spans.first.clamp(0, width), spans.stop.clamp(0, width)
        for begin, end in _portions(stop - first):
            span, column = expand_ranges(first[begin:end], stop[begin:end])
            index = spans.line[begin:end][span] * width + column
            owner.scatter_reduce_(0, index, spans.face[begin:end][span].int(), "amin")
    return owner.view(batch, height, width)


def _portions(lengths: Tensor) -> list[tuple[int, int]]:
    """Slices of (N,) spans with at most about ``_MOST_PIXELS`` pixels each."""
    total = lengths.cumsum(0)
    pixels = int(total[-1]) if len(total) else 0
    limits = torch.tensor(range(_MOST_PIXELS, pixels, _MOST_PIXELS), dtype=torch.int64, device=total.device)
    bounds = [0, *torch.searchsorted(total, limits).tolist(), len(lengths)]
    return list(zip(bounds[:-1], bounds[1:], strict=True))


def delaunay_faces(vertices: Tensor) -> Tensor:
    """Delaunay triangulation of the vertices of one contour.

    The triangles cover the convex hull of the vertices, whatever the order of the contour. They are meant to be kept
    while the contour evolves: see :func:`rasterize_mesh`.

    Args:
        vertices: (K, 2) initial contour in any unit. Vertices may repeat; all but the first of equal ones are unused.

    Returns:
        (M, 3) int64 vertex indices on the device of ``vertices``, each triangle of positive
        :func:`~monai_acdr.geometry.signed_area`; (0, 3) if there are fewer than three distinct vertices, or if all lie
        on a line.

    Raises:
        ValueError: if ``vertices`` are not (K, 2), or not finite.

    Example:
        >>> delaunay_faces(torch.tensor([[0.0, 0.0], [4.0, 0.0], [0.0, 3.0]])).sort().values
        tensor([[0, 1, 2]])
    """
    check_vertices(vertices, minimum=1)
    if vertices.ndim != 2:
        raise ValueError(f"Expected `vertices` of one contour, (K, 2), but got {tuple(vertices.shape)}.")
    points = vertices.detach().to("cpu", torch.float64).numpy()
    if not np.isfinite(points).all():
        raise ValueError("Expected finite `vertices`, but got NaN or Inf: triangulate the contour before it evolves.")
    return torch.from_numpy(_triangulate(points)).to(vertices.device)


@lru_cache(maxsize=64)
def circle_faces(num_vertices: int) -> Tensor:
    """Delaunay triangulation (max(K - 2, 0), 3) int64, on the CPU, of K vertices equally spaced on a circle.

    The paper starts from it. Any triangulation of a circle's vertices is a Delaunay triangulation; the one returned
    here depends on K alone. Do not change the result in place: it is cached.
    """
    if num_vertices < 3:
        return torch.zeros(0, 3, dtype=torch.int64)
    return delaunay_faces(circle(torch.zeros(2, dtype=torch.float64), _CIRCLE_RADIUS, num_vertices).round())


def _triangulate(points: np.ndarray) -> np.ndarray:
    points = points - points.mean(0)  # keeps the digits of a small contour far from the origin
    distinct, first = np.unique(points, axis=0, return_index=True)
    if len(distinct) < 3:
        return np.zeros((0, 3), dtype=np.int64)
    try:
        faces = Delaunay(distinct).simplices.astype(np.int64)
    except QhullError:  # all on a line
        return np.zeros((0, 3), dtype=np.int64)
    corners = distinct[faces]
    edges = corners[:, 1:] - corners[:, :1]
    doubled_area = edges[:, 0, 0] * edges[:, 1, 1] - edges[:, 0, 1] * edges[:, 1, 0]
    faces = np.where(doubled_area[:, None] < 0, faces[:, ::-1], faces)
    return np.ascontiguousarray(first[faces[doubled_area != 0]])


@dataclass(frozen=True)
class Crossings:
    """Crossings of edges with rows of pixel centers. All tensors are (N,).

    Attributes:
        x: position of the crossing.
        start: index of the edge's vertex with lower y.
        end: index of its other vertex.
        t: share of the way from ``start`` to ``end``, in [0, 1).
    """

    x: Tensor
    start: Tensor
    end: Tensor
    t: Tensor

    def where(self, condition: Tensor, other: Crossings) -> Crossings:
        """These crossings where ``condition`` holds, otherwise the ``other`` ones."""
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return Crossings(*(torch.where(condition, mine, theirs) for mine, theirs in pairs))

    def __getitem__(self, index: Tensor) -> Crossings:
        return Crossings(*(values[index] for values in vars(self).values()))


@dataclass(frozen=True)
class Spans:
    """Rows of triangles. All tensors are (N,).

    Attributes:
        face: index of the triangle.
        line: row of the batch, image * H + row.
        first: first column whose center is covered.
        stop: column after the last one; both are within -1 .. W + 1 and equal where no center is covered.
        left: where the left edge crosses the row.
        right: where the right edge crosses it.
    """

    face: Tensor
    line: Tensor
    first: Tensor
    stop: Tensor
    left: Crossings
    right: Crossings


def cut_triangles(points: Tensor, faces: Tensor, size: tuple[int, int]) -> Iterator[Spans]:
    """Spans of triangles at the rows of pixel centers of frames of ``size`` (H, W), some triangles at a time.

    Args:
        points: (P, 2) finite vertices of all contours.
        faces: (B, M, 3) indices into ``points``, in either orientation.
        size: (H, W).
    """
    step = max(1, _MOST_ROWS // size[0])
    faces_per_image, triangles = faces.shape[1], faces.flatten(0, 1)
    for begin in range(0, len(triangles), step):
        yield _cut_some(points, triangles[begin : begin + step], begin, faces_per_image, size)


def first_center(position: Tensor, limits: tuple[int, int]) -> Tensor:
    """Number of the first pixel along an axis whose center is not before a position, clamped."""
    return (position - 0.5).ceil().clamp(*limits).long()


def expand_ranges(first: Tensor, stop: Tensor) -> tuple[Tensor, Tensor]:
    """Index of the range and value of every integer first .. stop - 1, over (F,) ranges one after the other."""
    counts = stop - first
    owner = torch.repeat_interleave(counts)
    offset = counts.cumsum(0) - counts
    return owner, torch.arange(len(owner), device=counts.device) + (first - offset)[owner]


def _cut_some(points: Tensor, faces: Tensor, begin: int, faces_per_image: int, size: tuple[int, int]) -> Spans:
    height, width = size
    heights = points[:, 1][faces]
    order = heights.argsort(dim=1, stable=True)
    rows = first_center(heights.gather(1, order), (0, height))
    face, row = expand_ranges(rows[:, 0], rows[:, 2])
    low, middle, high = faces.gather(1, order)[face].unbind(1)
    y = row.to(points.dtype) + 0.5
    is_upper = y < points[:, 1][middle]
    long = _cross(points, low, high, y)
    short = _cross(points, torch.where(is_upper, low, middle), torch.where(is_upper, middle, high), y)
    swapped = short.x < long.x
    left, right = short.where(swapped, long), long.where(swapped, short)
    first, stop = (first_center(end.x, (-1, width + 1)) for end in (left, right))
    face = face + begin
    line = face.div(faces_per_image, rounding_mode="floor") * height + row
    return Spans(face, line, first, stop, left, right)


def _cross(points: Tensor, start: Tensor, end: Tensor, y: Tensor) -> Crossings:
    """Crossings at heights ``y`` that edges meet; their bits are the same for both triangles at an edge."""
    x0, y0 = points[start].unbind(1)
    x1, y1 = points[end].unbind(1)
    t = (y - y0) / (y1 - y0)
    return Crossings(x0 + t * (x1 - x0), start, end, t)


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
    # The change that the loss asks for: a pixel that is not drawn can only become brighter, a drawn one only darker.
    asked = torch.where(drawn, grad.clamp(min=0), grad.clamp(max=0)).flatten(0, 1)
    drawn = F.pad(drawn, (2, 2)).flatten(0, 1)
    owner = owner.flatten(0, 1)
    result = torch.zeros(len(points), dtype=points.dtype, device=points.device)
    for spans in cut_triangles(points, faces, (grad.shape[1], grad.shape[2])):
        for is_right in (False, True):
            visible = _is_visible(spans, drawn, is_right).nonzero()[:, 0]
            for chunk in visible.split(max(1, _MOST_GRADIENT_PIXELS // grad.shape[2])):
                crossings = (spans.right if is_right else spans.left)[chunk]
                pull = _pull(spans, chunk, crossings.x, asked, owner, is_right)
                result = _add(result, crossings, pull)
    return result


def _is_visible(spans: Spans, drawn: Tensor, is_right: bool) -> Tensor:
    """(N,) whether an edge borders on the background: its inner neighbor is a drawn pixel, its outer one is not.

    The inner pixel may belong to any triangle, since triangles may be too thin to hold a center. Nothing is drawn
    outside the frame, so edges there are not visible.
    """
    inner = spans.stop - 1 if is_right else spans.first
    outer = inner + 1 if is_right else inner - 1
    margin = 2
    return drawn[spans.line, inner + margin] & ~drawn[spans.line, outer + margin]


def _pull(spans: Spans, chunk: Tensor, x: Tensor, asked: Tensor, owner: Tensor, is_right: bool) -> Tensor:
    """(n,) sum of dI / d over the pixels of a row, where the edge changes them as asked."""
    line = spans.line[chunk]
    column = torch.arange(asked.shape[1], device=x.device)
    is_outside = column >= spans.stop[chunk, None] if is_right else column < spans.first[chunk, None]
    is_own = owner.index_select(0, line) == spans.face[chunk, None]
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
