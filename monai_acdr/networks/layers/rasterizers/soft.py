# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""A soft mask: the sigmoid of the signed distance between the center of a pixel and the contour.

With q = a + u (b - a) the point of the contour nearest to the center p, on the edge from a to b, and n the unit vector
that points from q to p inside the contour and against it outside,

    distance = n . (p - q)        d distance / da = -(1 - u) n        d distance / db = -u n

since moving q along its edge, or n at all, changes nothing at first order. The nearest edges are searched in blocks of
pixels and edges, and only u, n and the edge are kept for each pixel: memory grows with B * H * W.
"""

from __future__ import annotations

import torch
from torch import Tensor

from monai_acdr.networks.layers.rasterizers.first_order import first_derivative_only
from monai_acdr.networks.layers.rasterizers.mesh import first_center

__all__ = ["SOFT_FILL_RULES", "rasterize_soft"]

SOFT_FILL_RULES = ("nonzero", "evenodd")
"""Fill rules: inside is where the winding number is not zero, or odd."""

_MOST_PAIRS = 2**17
"""Pairs of pixels and edges per block: bounds the memory, and keeps a block in the cache."""

_FAR_PX = 2.0**12
"""Beyond this many pixels float32 is too coarse for distances within a frame, and float64 is used."""

_FARTHEST = 1e15
"""Coordinates are clamped to this: their squares are finite in float32 as well."""


def rasterize_soft(
    vertices: Tensor, size: tuple[int, int], softness: float = 0.25, fill_rule: str = "nonzero", rings: int = 1
) -> Tensor:
    """Sigmoid of the signed distance to the contour, positive inside, divided by ``softness``.

    The contour is where the mask is 0.5. The gradient is the true derivative, of the nearest edge only, and reaches
    vertices from as far as the softness lets it. A pixel whose center lies exactly on a vertex has none.

    Args:
        vertices: (B * R, K, 2) polygons in pixels, float32 or float64.
        size: (H, W).
        softness: distance in pixels at which the mask is sigmoid(1) = 0.73.
        fill_rule: ``nonzero`` or ``evenodd``.
        rings: R polygons that follow each other are the rings of one mask: the nearest edge of any of them counts, and
            their winding numbers are added.

    Returns:
        (B, H, W) of the dtype of ``vertices``, once differentiable. A mask with a coordinate that is NaN or Inf in any
        ring is all NaN and has zero gradient. A polygon without area has no inside: at most 0.5 along its edges.

    Raises:
        ValueError: if ``softness`` is not positive, or for another fill rule.

    Example:
        >>> square = torch.tensor([[[0.0, 0.0], [2.0, 0.0], [2.0, 1.0], [0.0, 1.0]]])
        >>> rasterize_soft(square, (1, 4), softness=0.5)
        tensor([[[0.7311, 0.7311, 0.2689, 0.0474]]])
    """
    if fill_rule not in SOFT_FILL_RULES:
        raise ValueError(
            f"Expected `fill_rule` of method 'soft' to be one of {SOFT_FILL_RULES}, but got {fill_rule!r}: a distance "
            "has no winding number; use method 'exact'."
        )
    if not 0 < softness < float("inf"):
        raise ValueError(f"Expected `softness` to be a positive number of pixels, but got {softness}.")
    contours = vertices.reshape(vertices.shape[0] // rings, rings, *vertices.shape[1:])
    return _SoftMask.apply(contours, size, float(softness), fill_rule)


class _SoftMask(torch.autograd.Function):
    """(B, H, W) masks of contours (B, R, K, 2)."""

    @staticmethod
    def forward(ctx, contours, size, softness, fill_rule):  # type: ignore[no-untyped-def]
        finite = torch.isfinite(contours).flatten(1).all(1)[:, None, None]
        clean = torch.where(finite[..., None], contours, 0).clamp(-_FARTHEST, _FARTHEST)
        is_far = contours.device.type != "mps" and bool((clean.abs() > _FAR_PX).any())
        start = clean.to(torch.float64 if is_far else contours.dtype)
        end = torch.roll(start, -1, dims=2).flatten(1, 2)
        start = start.flatten(1, 2)
        edge = _nearest_edge(start, end, size)
        inside = _is_inside(start, end, size, fill_rule)
        distance, position, normal = _signed_distance(start, end, edge, inside, size)
        mask = torch.sigmoid(distance / softness).to(contours.dtype)
        slope = (mask * (1 - mask) / softness)[..., None] * normal.to(contours.dtype)
        ctx.save_for_backward(edge, position.to(contours.dtype), slope, finite, contours)
        return mask.masked_fill_(~finite, float("nan"))

    @staticmethod
    @first_derivative_only("soft")
    def backward(ctx, grad):  # type: ignore[no-untyped-def]
        edge, position, slope, finite, contours = ctx.saved_tensors
        batch, rings, num_vertices, _ = contours.shape
        pull = -slope * grad.masked_fill(~finite, 0)[..., None]
        shares = torch.cat([(1 - position)[..., None] * pull, position[..., None] * pull], dim=-1)
        offset = torch.arange(batch, device=grad.device)[:, None, None] * (rings * num_vertices)
        sums = _sum_by_index(shares.view(-1, 4), (edge + offset).view(-1), batch * rings * num_vertices)
        at_start, at_end = sums.view(batch, rings, num_vertices, 4).split(2, dim=-1)
        return at_start + torch.roll(at_end, 1, dims=2), None, None, None


def _sum_by_index(values: Tensor, index: Tensor, count: int) -> Tensor:
    """(count, C) sums of the rows of values (N, C) with equal index, in a fixed order on every device."""
    sums = values.new_zeros(count, values.shape[1])
    if values.device.type == "cpu":
        return sums.index_add_(0, index, values)
    return sums.index_put_((index,), values, accumulate=True)


def _centers(size: tuple[int, int], like: Tensor) -> tuple[Tensor, Tensor]:
    """Positions of pixel centers: (W,) of the columns along x, (H,) of the rows along y."""
    height, width = size
    y, x = (torch.arange(number, dtype=like.dtype, device=like.device) + 0.5 for number in (height, width))
    return x, y


def _nearest_edge(start: Tensor, end: Tensor, size: tuple[int, int]) -> Tensor:
    """(B, H, W) int64 index of the edge (B, E, 2) nearest to each center; the first of several equally near ones."""
    batch, num_edges = start.shape[:2]
    height, width = size
    edge = torch.zeros(batch, height, width, dtype=torch.int64, device=start.device)
    rows = max(1, min(height, _MOST_PAIRS // width))
    edges = max(1, min(num_edges, _MOST_PAIRS // (rows * width)))
    masks = max(1, _MOST_PAIRS // (rows * width * edges))
    x, y = _centers(size, start)
    for first_mask in range(0, batch, masks):
        chunk = slice(first_mask, first_mask + masks)
        for first_row in range(0, height, rows):
            strip = slice(first_row, first_row + rows)
            least = torch.full_like(edge[chunk, strip], float("inf"), dtype=start.dtype)
            for begin in range(0, num_edges, edges):
                part = slice(begin, begin + edges)
                squared, index = _squared_distance(start[chunk, part], end[chunk, part], x, y[strip]).min(1)
                closer = squared < least
                edge[chunk, strip] = torch.where(closer, index + begin, edge[chunk, strip])
                least = torch.where(closer, squared, least)
    return edge


def _squared_distance(start: Tensor, end: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """(B, E, H, W) squared distances between centers and edges (B, E, 2)."""
    along = end - start
    share = along / _positive(along.square().sum(-1, keepdim=True))
    (along_x, along_y), (share_x, share_y) = along[..., None, None].unbind(2), share[..., None, None].unbind(2)
    from_x = x - start[..., 0, None, None]
    from_y = y[:, None] - start[..., 1, None, None]
    position = (from_x * share_x + from_y * share_y).clamp_(0, 1)
    across_x = torch.addcmul(from_x, position, along_x, value=-1).square_()
    across_y = torch.addcmul(from_y, position, along_y, value=-1)
    return across_x.addcmul_(across_y, across_y)


def _positive(values: Tensor) -> Tensor:
    """Values to divide by: zeros become ones."""
    return torch.where(values > 0, values, torch.ones_like(values))


def _is_inside(start: Tensor, end: Tensor, size: tuple[int, int], fill_rule: str) -> Tensor:
    """(B, H, W) whether the fill rule counts each center as inside, by the winding number of edges (B, E, 2) around it.

    An edge adds 1 or -1 to all centers of a row from its crossing on. Rows are half open.
    """
    batch, num_edges = start.shape[:2]
    height, width = size
    turns = torch.zeros(batch, height, width + 1, dtype=torch.int32, device=start.device)
    _, y = _centers(size, start)
    step = max(1, _MOST_PAIRS // (height * num_edges))
    for first_mask in range(0, batch, step):
        chunk = slice(first_mask, first_mask + step)
        (x0, y0), (x1, y1) = start[chunk, None].unbind(-1), end[chunk, None].unbind(-1)
        rows = y[:, None]
        turn = (y1 > rows).int() - (y0 > rows).int()
        rise = y1 - y0
        share = ((rows - y0) / torch.where(rise == 0, torch.ones_like(rise), rise)).clamp(0, 1)
        crossing = x0 + share * (x1 - x0)
        column = first_center(crossing, (0, width))
        turns[chunk].scatter_add_(2, column, turn)
    turns = turns[..., :width].cumsum(-1, dtype=torch.int32)
    return turns != 0 if fill_rule == "nonzero" else turns % 2 != 0


def _signed_distance(
    start: Tensor, end: Tensor, edge: Tensor, inside: Tensor, size: tuple[int, int]
) -> tuple[Tensor, Tensor, Tensor]:
    """Signed distance (B, H, W) of each center to its edge, the nearest point's place u on it, and n (B, H, W, 2)."""
    index = edge.flatten(1)[..., None].expand(-1, -1, 2)
    a, b = (ends.gather(1, index).view(*edge.shape, 2) for ends in (start, end))
    x, y = _centers(size, start)
    offset = torch.stack(torch.broadcast_tensors(x, y[:, None]), dim=-1) - a
    along = b - a
    squared_length = along.square().sum(-1)
    position = ((offset * along).sum(-1) / _positive(squared_length)).clamp(0, 1)
    # To an end point: the distance to a point. Between them: that to a line, which has a derivative on the line too.
    difference = offset - position[..., None] * along
    to_point = torch.linalg.vector_norm(difference, dim=-1)
    length = _positive(squared_length).sqrt()
    perpendicular = torch.stack([-along[..., 1], along[..., 0]], dim=-1) / length[..., None]
    to_line = (offset * perpendicular).sum(-1)
    # A center on an edge counts as just right of it, or below it if it is horizontal, as it does in `_is_inside`.
    on_line = torch.where(along[..., 1] != 0, -along[..., 1].sign(), along[..., 0].sign())
    side = torch.where(to_line == 0, on_line, to_line.sign())
    is_between = (position > 0) & (position < 1)
    distance = torch.where(is_between, to_line.abs(), to_point)
    normal = torch.where(
        is_between[..., None], perpendicular * side[..., None], difference / _positive(to_point)[..., None]
    )
    sign = torch.where(inside, 1.0, -1.0).to(distance.dtype)
    return distance * sign, position, normal * sign[..., None]
