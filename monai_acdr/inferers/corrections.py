# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Corrections of contours by clicks and drags, with a local deformation.

A click that the contour contradicts pulls the nearest point of the contour through itself and a little further; the
pull fades along the contour, to zero at a distance that grows with the pull. Clicks that the contour already obeys
have no effect. Clicks are served one after the other, the most contradicted first; a click that a later pull undoes is
served again, and from then on no pull may undo another click: where one would, or where the contour would cross
itself, the pull goes less far, then it is made narrower, until it fits.

Clicks alone are enough for a contour: the first click places the region, and all clicks correct the network's contour.

A drag moves a point of the contour by a vector, with the same pull; nested contours push each other where they would
cross. The review page (``apps/review/static/contours.js``) computes the same values in the browser.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from monai.data.meta_tensor import MetaTensor
from torch import Tensor

from monai_acdr.geometry import check_vertices, cut_loops, is_simple, map_vertices, perimeter, signed_area
from monai_acdr.geometry.nesting import NESTING_MARGIN
from monai_acdr.transforms import expand_roi, file_grid, present_grid

__all__ = [
    "MARGIN",
    "OVERSHOOT",
    "SAMPLES_PER_SIDE",
    "SECOND_REGION_SCALE",
    "WIDTH",
    "NearestPoint",
    "contour_from_clicks",
    "contradicted_clicks",
    "correct_contour",
    "drag_contours",
    "nearest_on_contour",
    "points_at",
    "pull_contour",
    "push_contours",
]


class NearestPoint(NamedTuple):
    """Nearest point of a contour (K, 2) to each of N points.

    Attributes:
        depth: (N,) distance in pixels, positive inside (winding number other than zero), negative outside.
        arc: (N,) length along the contour from its first vertex to the nearest point.
        foot: (N, 2) the nearest point.
    """

    depth: Tensor
    arc: Tensor
    foot: Tensor


def nearest_on_contour(vertices: Tensor, points: Tensor) -> NearestPoint:
    """Project points on the polygon ``vertices`` (K, 2), K >= 1, not closed explicitly.

    Args:
        vertices: (K, 2) floating.
        points: (N, 2) of the same dtype, N >= 0.
    """
    start, end = vertices, vertices.roll(-1, dims=0)
    edges = end - start
    squares = edges.square().sum(-1)
    offsets = points[:, None] - start
    fraction = (offsets * edges).sum(-1) / torch.where(squares > 0, squares, torch.ones_like(squares))
    fraction = fraction.clamp(0, 1)
    feet = start + fraction[..., None] * edges
    distance, nearest = torch.linalg.vector_norm(points[:, None] - feet, dim=-1).min(dim=1)
    rows = torch.arange(len(points), device=points.device)
    lengths = squares.sqrt()
    before = lengths.cumsum(0) - lengths
    arc = before[nearest] + fraction[rows, nearest] * lengths[nearest]
    depth = torch.where(_winding(start, end, points) != 0, distance, -distance)
    return NearestPoint(depth, arc, feet[rows, nearest])


def _winding(start: Tensor, end: Tensor, points: Tensor) -> Tensor:
    """Winding number (N,) of the edges about the points: signed crossings of a ray to the right."""
    y = points[:, None, 1]
    upward, downward = (start[:, 1] <= y) & (y < end[:, 1]), (end[:, 1] <= y) & (y < start[:, 1])
    offsets, edges = points[:, None] - start, end - start
    side = edges[:, 0] * offsets[..., 1] - edges[:, 1] * offsets[..., 0]
    return (upward & (side > 0)).sum(-1) - (downward & (side < 0)).sum(-1)


SAMPLES_PER_SIDE = 6
"""Vertices that a pull adds on each side, so that coarse contours can bend; fewer where the contour has vertices."""
DUPLICATE_DISTANCE = 1e-9
"""Points nearer than this share of the contour's length are one: a vertex and its duplicate would touch each other."""


def pull_contour(contour: Tensor, arc: float, pull: Tensor, half_width: float) -> Tensor:
    """Move the contour by ``pull`` at ``arc``, by less near it, and not at all from ``half_width`` on.

    The share of the pull at a distance of u half widths along the contour is Wendland's function (1 - u)^3 (3 u + 1),
    twice differentiable at 0 and at 1 (Wendland, Advances in Computational Mathematics 4, 1995).

    Args:
        contour: (K, 2) float64 pixels.
        arc: length along the contour from its first vertex.
        pull: (2,) pixels.
        half_width: in pixels, positive, at most half the contour's length.

    Returns:
        (K', 2): the vertices of ``contour``, in their order, and new ones near ``arc``.
    """
    lengths = (contour.roll(-1, dims=0) - contour).norm(dim=-1)
    length = float(lengths.sum())
    old = lengths.cumsum(0) - lengths
    new = (
        arc + torch.arange(-SAMPLES_PER_SIDE, SAMPLES_PER_SIDE + 1, dtype=contour.dtype) / SAMPLES_PER_SIDE * half_width
    ) % length
    gap = _gap(new[:, None], old, length).amin(1)
    requested = gap > half_width / SAMPLES_PER_SIDE / 3
    requested[SAMPLES_PER_SIDE] = (
        gap[SAMPLES_PER_SIDE] > DUPLICATE_DISTANCE * length
    )  # the point itself gets the whole pull
    arcs, order = torch.cat([old, new[requested]]).sort(stable=True)
    points = torch.cat([contour, points_at(contour, new[requested])])[order]
    away = (_gap(arcs, arcs.new_tensor(arc), length) / half_width).clamp(max=1)
    return points + ((1 - away) ** 3 * (3 * away + 1))[:, None] * pull


def points_at(contour: Tensor, arcs: Tensor) -> Tensor:
    """Points (N, 2) of the closed contour (K, 2) at lengths (N,) from its first vertex, taken round."""
    closed = torch.cat([contour, contour[:1]])
    lengths = closed.diff(dim=0).norm(dim=-1)
    before = lengths.cumsum(0) - lengths
    arcs = arcs % float(lengths.sum())
    edge = (torch.searchsorted(before, arcs, right=True) - 1).clamp(0, len(contour) - 1)
    fraction = (arcs - before[edge]) / torch.where(lengths > 0, lengths, torch.ones_like(lengths))[edge]
    return torch.lerp(closed[edge], closed[edge + 1], fraction.clamp(0, 1)[:, None])


def _gap(one: Tensor, other: Tensor, length: float) -> Tensor:
    """Distance along the closed contour."""
    direct = (one - other).abs()
    return torch.minimum(direct, length - direct)


WIDTH = (0.15, 3.0)
"""Half width of a pull along the contour: a share of the perimeter, plus a multiple of the pull's length."""
OVERSHOOT = 0.5
"""Overshoot of a pull beyond the click, as a share of the click's distance from the contour.

A click in the middle of a missing part needs 1, a click on the true boundary 0. This constant and the width above were
jointly the best for both after five simulated clicks on the Sunnybrook training group (benchmarks/clicks.py)."""
MARGIN = 0.5
"""Smallest overshoot of a pull beyond the click, in pixels, so that the clicked pixel changes sides."""
MAX_HALVINGS = 12
"""Number of times that a pull may be halved in width."""
MAX_DETOURS = 48
"""Number of points of the contour that are tried when the nearest one cannot be pulled to the click."""
TOLERANCE = 1e-9
"""Distances below this share of the perimeter count as zero."""


def correct_contour(
    vertices: Tensor,
    foreground: Tensor | None = None,
    background: Tensor | None = None,
    *,
    width: tuple[float, float] = WIDTH,
    overshoot: float = OVERSHOOT,
    margin: float = MARGIN,
) -> Tensor:
    """Bend a contour so that it has all foreground points inside and all background points outside.

    A point that is both foreground and background marks the boundary: the contour passes through it. The order of the
    points does not matter.

    Args:
        vertices: (K, 2) floating, pixels; a polygon with an area. Smaller loops of one that crosses itself are cut off
            before it is bent.
        foreground: (N, 2) pixels, inside or on the corrected contour.
        background: (M, 2) pixels, outside or on the corrected contour.
        width: half width of a pull along the contour, as a share of the perimeter plus a multiple of its length.
        overshoot: how far a pull goes beyond its click, as a share of the click's distance.
        margin: smallest overshoot, in pixels.

    Returns:
        (K', 2) of the dtype of ``vertices``: the old vertices, moved near clicks and unchanged elsewhere, and new ones
        where the contour was bent. Simple, with the orientation of ``vertices``. A copy of ``vertices`` if it already
        obeys all clicks. A click that cannot be served without undoing another is left out:
        :func:`contradicted_clicks` finds such clicks.

    Raises:
        ValueError: when shapes are wrong, numbers are not finite, or the contour encloses nothing.
    """
    contour = _check_contour(vertices)
    clicks = _gather(_check_points(foreground, "foreground"), _check_points(background, "background"))
    _check_options(width, overshoot, margin)
    if not len(clicks.points) or not bool(clicks.violations(contour).any()):
        return vertices.clone()
    contour = cut_loops(contour)
    served, left_out = (torch.zeros(len(clicks.points), dtype=torch.bool) for _ in range(2))
    while True:
        violations = clicks.violations(contour).masked_fill(left_out, 0)
        if not bool(violations.any()):
            return contour.to(vertices)
        index = int(violations.argmax())
        bent = _serve(contour, clicks, index, served, _Pull(width, overshoot, margin))
        if bent is None:
            left_out[index] = True  # no simple contour near the present one obeys it and the others
        else:
            contour = bent
        served[index] = True


def contradicted_clicks(vertices: Tensor, foreground: Tensor | None = None, background: Tensor | None = None) -> Tensor:
    """Clicks that a contour does not obey: foreground points outside of it, background points inside.

    Args:
        vertices: (K, 2) pixels, as :func:`correct_contour` returns them.
        foreground: (N, 2) pixels.
        background: (M, 2) pixels.

    Returns:
        (L, 2) float64 pixels of those points; none where the contour obeys all.

    Raises:
        ValueError: as :func:`correct_contour` does.
    """
    contour = _check_contour(vertices)
    clicks = _gather(_check_points(foreground, "foreground"), _check_points(background, "background"))
    return clicks.points[clicks.violations(contour) > 0] if len(clicks.points) else clicks.points


@dataclass(frozen=True)
class _Clicks:
    """Points (N, 2) and the sign (N,) of their required depth: 1 inside, -1 outside, 0 on the contour."""

    points: Tensor
    requested: Tensor

    def violations(self, vertices: Tensor) -> Tensor:
        """(N,) distances by which the contour contradicts the clicks, 0 where it obeys."""
        depth = nearest_on_contour(vertices, self.points).depth
        wrong = torch.where(self.requested == 0, depth.abs(), -self.requested * depth)
        return wrong.masked_fill(wrong <= TOLERANCE * float(perimeter(vertices)), 0)


@dataclass(frozen=True)
class _Pull:
    """Options of a pull, as in :func:`correct_contour`."""

    width: tuple[float, float]
    overshoot: float
    margin: float

    def proposals(self, contour: Tensor, point: Tensor, on_contour: bool) -> Iterator[Tensor]:
        """Pulled contours, the preferred ones first: wide and far, less far, narrower, from other points."""
        length = float(perimeter(contour))
        nearest = nearest_on_contour(contour, point[None])
        distance = float(nearest.depth.abs())
        half_width = min(self.width[0] * length + self.width[1] * distance, length / 2)
        for halving in range(MAX_HALVINGS):
            for reach in self._reaches(distance, on_contour):
                pull = (point - nearest.foot[0]) * (1 + reach / distance)
                yield pull_contour(contour, float(nearest.arc), pull, half_width / 2**halving)
        arcs = (float(nearest.arc) + torch.arange(1, MAX_DETOURS, dtype=contour.dtype) / MAX_DETOURS * length) % length
        pulls = point - points_at(contour, arcs)
        for place in pulls.norm(dim=-1).argsort().tolist():
            distance = float(pulls[place].norm())
            reach = self._reaches(distance, on_contour)[-1]
            for halving in range(MAX_HALVINGS):
                pull = pulls[place] * (1 + reach / distance)
                yield pull_contour(contour, float(arcs[place]), pull, length / MAX_DETOURS / 2**halving)

    def first_proposals(self, contour: Tensor, point: Tensor, on_contour: bool) -> Iterator[Tensor]:
        """Proposals of full width only."""
        proposals = self.proposals(contour, point, on_contour)
        return (next(proposals) for _ in self._reaches(1.0, on_contour))

    def _reaches(self, distance: float, on_contour: bool) -> list[float]:
        if on_contour:
            return [0.0]
        least = max(self.margin, 1e-3 * distance)
        return [max(self.overshoot * distance, least), least, least / 10, least / 1000]


def _serve(contour: Tensor, clicks: _Clicks, index: int, served: Tensor, pull: _Pull) -> Tensor | None:
    """The contour pulled through one click; None if there is no way."""
    point, on_contour = clicks.points[index], bool(clicks.requested[index] == 0)
    simple, sign = bool(is_simple(contour)), torch.sign(signed_area(contour))
    obeyed = clicks.violations(contour) == 0

    def fits(proposal: Tensor, kept: Tensor) -> bool:
        violations = clicks.violations(proposal)
        return (
            not bool(violations[kept].any() or violations[index])
            and bool(torch.sign(signed_area(proposal)) == sign)
            and (not simple or bool(is_simple(proposal)))
        )

    if not bool(served[index]):
        # A wide pull may undo clicks that will be served again: better than a narrow one, which leaves a thorn.
        for proposal in pull.first_proposals(contour, point, on_contour):
            if fits(proposal, obeyed & served):
                return proposal
    return next((each for each in pull.proposals(contour, point, on_contour) if fits(each, obeyed)), None)


def _gather(foreground: Tensor, background: Tensor) -> _Clicks:
    """One list of clicks without repeats; points in both lists belong on the contour."""
    points, index = torch.unique(torch.cat([foreground, background]), dim=0, return_inverse=True)
    inside, outside = (torch.zeros(len(points), dtype=points.dtype) for _ in range(2))
    inside[index[: len(foreground)]] = 1
    outside[index[len(foreground) :]] = 1
    return _Clicks(points, inside - outside)


def _check_contour(vertices: Tensor) -> Tensor:
    check_vertices(vertices)
    if vertices.ndim != 2:
        raise ValueError(f"Expected `vertices` to be one contour (K, 2), but got {tuple(vertices.shape)}.")
    contour = vertices.detach().to("cpu", torch.float64)
    if not bool(torch.isfinite(contour).all()):
        raise ValueError("Expected `vertices` to be finite, but got NaN or infinity: check the contour.")
    if float(signed_area(contour).abs()) <= TOLERANCE * float(perimeter(contour)) ** 2:
        raise ValueError("Expected `vertices` to enclose an area, but got none: start from a circle about the click.")
    return contour


def _check_points(points: Tensor | None, name: str) -> Tensor:
    if points is None:
        return torch.zeros(0, 2, dtype=torch.float64)
    given = torch.as_tensor(points, dtype=torch.float64, device="cpu").detach()
    if given.numel() == 0:
        return given.reshape(0, 2)
    if given.ndim != 2 or given.shape[-1] != 2:
        raise ValueError(f"Expected `{name}` to be (N, 2) points (x, y) in pixels, but got {tuple(given.shape)}.")
    if not bool(torch.isfinite(given).all()):
        raise ValueError(f"Expected `{name}` to be finite, but got NaN or infinity: check the clicks.")
    return given


def _check_options(width: tuple[float, float], overshoot: float, margin: float) -> None:
    if min(*width, overshoot, margin) < 0 or width[0] == 0:
        raise ValueError(
            f"Expected `width`, `overshoot` and `margin` not to be negative, and width[0] to be positive, but got "
            f"{width}, {overshoot} and {margin}."
        )


MAX_PUSHES = 64
"""Largest number of pulls of a contour that another one pushes; where they are not enough, the drag stops."""


def drag_contours(
    contours: Sequence[Tensor],
    index: int,
    arc: float,
    pull: Tensor,
    *,
    nested: bool = False,
    width: tuple[float, float] = WIDTH,
) -> list[Tensor] | None:
    """Move a point of one contour by a vector, and push the contours nested with it.

    The point moves by ``pull``, its neighborhood by less (:func:`pull_contour`). Where the contour would cross itself,
    the half width is halved until it does not.

    Args:
        contours: (K, 2) pixels of each structure, from the innermost to the outermost; K may differ.
        index: of the contour that is dragged.
        arc: length along it, from its first vertex, to the point that is dragged.
        pull: (2,) pixels.
        nested: whether each contour lies within the next one, and has to stay there.
        width: half width of the pull along the contour, as a share of the perimeter plus a multiple of the pull's
            length; by default as for clicks.

    Returns:
        The contours, float64, new vertices where they were bent; None where no simple contour goes that far.

    Raises:
        ValueError: when a shape is wrong, numbers are not finite, or a contour encloses nothing.
    """
    checked = [_check_contour(vertices) for vertices in contours]
    (vector,) = _check_points(torch.as_tensor(pull)[None], "pull")
    contour = checked[index]
    length, simple, sign = float(perimeter(contour)), bool(is_simple(contour)), torch.sign(signed_area(contour))
    _check_options(width, 0, 0)
    half_width = min(width[0] * length + width[1] * float(vector.norm()), length / 2)
    for halving in range(MAX_HALVINGS):
        moved = pull_contour(contour, arc % length, vector, half_width / 2**halving)
        if torch.sign(signed_area(moved)) == sign and (not simple or bool(is_simple(moved))):
            checked[index] = moved
            return push_contours(checked, index) if nested else checked
    return None


def push_contours(contours: Sequence[Tensor], index: int) -> list[Tensor] | None:
    """Make room for a contour that was moved: contours around it are pushed outward, contours within it inward.

    Where one comes too near, its worst point is pulled beyond the other contour by
    :data:`~monai_acdr.geometry.nesting.NESTING_MARGIN`, with its neighborhood, until no point is too near.

    Args:
        contours: (K, 2) pixels, float64, of each structure, from the innermost to the outermost; K may differ.
        index: of the contour that stays as it is.

    Returns:
        The contours, each within the next one; None where pulls cannot achieve that.
    """
    result = list(contours)
    for step in (1, -1):
        other = index + step
        while 0 <= other < len(result):
            pushed = _pushed(result[other - step], result[other], step)
            if pushed is None:
                return None
            result[other] = pushed
            other += step
    return result


def _pushed(moved: Tensor, other: Tensor, side: int) -> Tensor | None:
    """``other`` pulled until it lies around ``moved`` (``side`` 1) or within it (-1)."""
    simple = bool(is_simple(other))
    length = float(perimeter(other))
    for _ in range(MAX_PUSHES):
        clearance, arc, away = _worst_place(moved, other, side)
        if clearance >= NESTING_MARGIN / 2:
            return other if not simple or bool(is_simple(other)) else None
        reach = NESTING_MARGIN - clearance
        half_width = min(WIDTH[0] * length + WIDTH[1] * reach, length / 2)
        other = pull_contour(other, arc, away * reach, half_width)
        length = float(perimeter(other))
    return None


def _worst_place(moved: Tensor, other: Tensor, side: int) -> tuple[float, float, Tensor]:
    """Least clearance of the two, negative where they cross; its position along ``other``, and the way out (2,).

    Two contours cross only where a vertex of one lies on the wrong side of the other.
    """
    theirs, ours = nearest_on_contour(other, moved), nearest_on_contour(moved, other)
    of_moved, of_other = side * theirs.depth, -side * ours.depth
    first, second = int(of_moved.argmin()), int(of_other.argmin())
    if float(of_moved[first]) <= float(of_other[second]):
        clearance, arc, toward = float(of_moved[first]), float(theirs.arc[first]), moved[first] - theirs.foot[first]
        point = moved[first]
    else:
        lengths = (other.roll(-1, dims=0) - other).norm(dim=-1)
        arc = float(lengths[:second].sum())
        clearance, toward, point = float(of_other[second]), ours.foot[second] - other[second], other[second]
    distance = float(toward.norm())
    if distance < DUPLICATE_DISTANCE:  # they touch: away from the middle, or toward it
        outward = point - moved.mean(0)
        return clearance, arc, side * outward / outward.norm().clamp(min=DUPLICATE_DISTANCE)
    return clearance, arc, (toward if clearance < 0 else -toward) / distance


SECOND_REGION_SCALE = 0.8
"""Factor on the sides of the region that is tried when the contour misses the click in the middle of its region.

On the Sunnybrook training group this helps more than a correction alone, on average; larger and even smaller regions
do not.
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
        foreground: (N, 2) pixels of the image's FILE, inside the object; the first one places the region.
        background: (M, 2) pixels of the file, outside the object.
        sides: (width, height) in pixels of the region of interest about the first foreground click.
        roi: (5,) region in the image's present pixels, instead of one about a click: a drawn box, or a region that was
            found without clicks.

    A contour that misses the click in the middle of its region is that of the wrong object: then a smaller region is
    tried, see :data:`SECOND_REGION_SCALE`, and its contour is taken if it has the click inside.

    Returns:
        (K, 2) float64, pixels of the file. See :func:`correct_contour` for how it obeys the clicks.

    Raises:
        ValueError: when there is neither a foreground click nor a region, or either misses the image.
    """
    if roi is not None:
        return correct_contour(_outline(infer, image, roi), foreground, background)
    roi = _roi_about_click(image, foreground, sides)
    contour = _outline(infer, image, roi)
    click = torch.as_tensor(foreground, dtype=torch.float64)[:1]
    if float(nearest_on_contour(contour, click).depth) < 0:
        second = _outline(infer, image, expand_roi(roi, SECOND_REGION_SCALE))
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
