# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Contours of a request: prompts, a region for each slice, the network, and the clicks that correct its contours.

A voxel index (i, j, k) is (column, row, slice), as in 3D Slicer's IJK and OHIF's volume index, and means the
center of a voxel: in the pixels of :mod:`monai_acdr.geometry.coordinates` it is (x, y) = (i + 0.5, j + 0.5).

A click acts on the structure whose contour is nearest to it. If structures are nested, a point inside a structure is
also inside the structures around it, and a point outside is also outside the structures within it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from monai_acdr.apps.measurements import NO_CONTRAST, find_grid
from monai_acdr.apps.model import ContourModel
from monai_acdr.apps.monailabel.images import LabelImage
from monai_acdr.apps.outlines import Outline, network_input, outline_frames
from monai_acdr.apps.regions import RegionRequest
from monai_acdr.geometry import nest_contours
from monai_acdr.inferers import contradicted_clicks, correct_contour
from monai_acdr.inferers.corrections import SECOND_REGION_SCALE, nearest_on_contour
from monai_acdr.measures import stack_place
from monai_acdr.transforms import expand_roi

__all__ = [
    "Outlined",
    "Prompts",
    "SlicePrompts",
    "assign_clicks",
    "find_contours",
    "nest",
    "outline_image",
    "parse_prompts",
    "prompts_by_slice",
]

MAX_POINTS = 1000
LARGEST_INDEX = 1e9
"""Numbers beyond this, or NaN, are not a voxel index."""
CENTER = 0.5
"""Offset from a voxel's index to its center, in pixels."""


@dataclass(frozen=True)
class Prompts:
    """Prompts of a request, checked against the image.

    Attributes:
        foreground: (i, j, k) of points inside, the first click first.
        background: (i, j, k) of points outside.
        box: (i0, i1, j0, j1, k0, k1), sorted, or None.
        slice: k, or None.
        phase: phase of a cine series, from 0; None means all.
        left_out: number of points on other slices than ``slice``.
    """

    foreground: tuple[tuple[float, float, int], ...] = ()
    background: tuple[tuple[float, float, int], ...] = ()
    box: tuple[float, float, float, float, int, int] | None = None
    slice: int | None = None
    phase: int | None = 0
    left_out: int = 0

    @property
    def any(self) -> bool:
        """Whether there is a point, a box or a slice."""
        return bool(self.foreground or self.background or self.box or self.slice is not None)


@dataclass(frozen=True, eq=False)
class SlicePrompts:
    """The prompts on one slice, in pixels of its frame.

    Attributes:
        slice: k.
        foreground: (N, 2) float64 (x, y).
        background: (M, 2) float64.
        box: (x0, y0, x1, y1) or None.
    """

    slice: int
    foreground: Tensor
    background: Tensor
    box: tuple[float, float, float, float] | None = None


def parse_prompts(request: Mapping[str, Any], shape: Sequence[int]) -> Prompts:
    """Read ``foreground``, ``background``, ``roi``, ``slice`` and ``phase`` of a request; all of them may be missing.

    Args:
        request: as the client sent it.
        shape: (X, Y), (X, Y, Z) or (X, Y, Z, T) of the image in voxels.

    Raises:
        ValueError: when a point lies outside the image, a box is empty or misses it, or there is no such slice.
    """
    full = (*shape, 1, 1)[:4]
    foreground = _points(request.get("foreground"), "foreground", full)
    background = _points(request.get("background"), "background", full)
    number = _index(request.get("slice"), "slice", full[2])
    box = _box(request.get("roi"), full)
    phase = request.get("phase", 0)
    phase = None if phase == "all" else _index(phase, "phase", full[3])
    left_out = 0
    if number is not None:
        given = [*foreground, *background]
        foreground = tuple(point for point in foreground if point[2] == number)
        background = tuple(point for point in background if point[2] == number)
        left_out = len(given) - len(foreground) - len(background)
        if given and not (foreground or background):
            slices = sorted({point[2] for point in given})
            raise ValueError(
                f"Expected a point on {stack_place(number, full[2])}, but the points are on {stack_place(slices)}: "
                f"`slice` is the index k of the points, from 0, here {number}."
            )
        if box is not None and not box[4] <= number <= box[5]:
            raise ValueError(
                f"Expected `slice` within the box, indices {box[4]} to {box[5]}, but got {number}: place a point on "
                "the slice that you want, or leave out `slice`."
            )
    return Prompts(foreground, background, box, number, phase, left_out)


def prompts_by_slice(prompts: Prompts, num_slices: int) -> list[SlicePrompts]:
    """Prompts of each slice to outline, in slice order.

    The slices are those of the points; without points ``slice``, otherwise all slices of the box, otherwise all.
    """
    points = [*prompts.foreground, *prompts.background]
    if points:
        slices = sorted({point[2] for point in points})
    elif prompts.slice is not None:
        slices = [prompts.slice]
    elif prompts.box is not None:
        slices = list(range(prompts.box[4], prompts.box[5] + 1))
    else:
        slices = list(range(num_slices))
    box = None
    if prompts.box is not None:
        x0, x1, y0, y1 = (value + CENTER for value in prompts.box[:4])
        box = (x0, y0, x1, y1)
    return [
        SlicePrompts(number, _on_slice(prompts.foreground, number), _on_slice(prompts.background, number), box)
        for number in slices
    ]


def _on_slice(points: Sequence[tuple[float, float, int]], number: int) -> Tensor:
    found = [(i + CENTER, j + CENTER) for i, j, k in points if k == number]
    return torch.tensor(found, dtype=torch.float64).reshape(-1, 2)


def _numbers(values: Any, name: str, lengths: Sequence[int]) -> list[float]:
    requested = " or ".join(map(str, lengths))
    if not isinstance(values, (list, tuple)) or len(values) not in lengths:
        raise ValueError(f"Expected `{name}` to be {requested} numbers, but got {str(values)[:80]}.")
    if not all(isinstance(v, (int, float)) and not isinstance(v, bool) and abs(v) <= LARGEST_INDEX for v in values):
        raise ValueError(f"Expected `{name}` to be {requested} finite numbers, but got {str(values)[:80]}.")
    return [float(value) for value in values]


def _points(values: Any, name: str, shape: Sequence[int]) -> tuple[tuple[float, float, int], ...]:
    if not values:
        return ()
    if not isinstance(values, (list, tuple)) or len(values) > MAX_POINTS:
        raise ValueError(f"Expected `{name}` to be a list of at most {MAX_POINTS} points [i, j, k].")
    found = []
    for value in values:
        i, j, k = (*_numbers(value, f"{name}` point `[i, j, k]", (2, 3)), 0.0)[:3]
        extents = shape[:3]
        if not all(-CENTER <= v <= n - CENTER for v, n in zip((i, j, k), extents, strict=True)):
            raise ValueError(
                f"Expected a {name} point inside the image of {tuple(extents)} voxels, indices from 0, but got "
                f"[{i:g}, {j:g}, {k:g}]: indices are (column, row, slice)."
            )
        found.append((i, j, min(max(round(k), 0), extents[2] - 1)))
    return tuple(found)


def _box(values: Any, shape: Sequence[int]) -> tuple[float, float, float, float, int, int] | None:
    """Slicer's six numbers (i, i, j, j, k, k); each pair in any order, because RAS and IJK axes may be opposite."""
    if values is None or values == []:
        return None
    numbers = _numbers(values, "roi", (4, 6))
    i0, i1, j0, j1, k0, k1 = (*numbers, 0.0, shape[2] - 1.0)[:6] if len(numbers) == 4 else numbers
    (i0, i1), (j0, j1), (k0, k1) = sorted((i0, i1)), sorted((j0, j1)), sorted((k0, k1))
    if i1 - i0 < 1 or j1 - j0 < 1:
        raise ValueError(
            f"Expected `roi` to span at least a column and a row, but got {values}: it is "
            "[i_min, i_max, j_min, j_max, k_min, k_max], voxel indices of (column, row, slice)."
        )
    if i1 < 0 or j1 < 0 or k1 < -CENTER or i0 > shape[0] - 1 or j0 > shape[1] - 1 or k0 > shape[2] - CENTER:
        raise ValueError(f"Expected `roi` to meet the image of {tuple(shape[:3])} voxels, but got {values}.")
    first, last = max(math.ceil(k0 - CENTER), 0), min(math.floor(k1 + CENTER), shape[2] - 1)
    return i0, i1, j0, j1, first, last


def _index(value: Any, name: str, number: int) -> int | None:
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value % 1 != 0:
        raise ValueError(f"Expected `{name}` to be a whole number, but got {str(value)[:80]}.")
    if not 0 <= value < number:
        raise ValueError(f"Expected `{name}` from 0 to {number - 1}, but got {int(value)}.")
    return int(value)


@dataclass(frozen=True, eq=False)
class Outlined:
    """The contours of one frame of an image, one for each of the model's N structures.

    Attributes:
        frame: index of the frame.
        vertices: N arrays (K, 2) float64 in pixels of the frame; clicks add vertices to some of them.
        drawn: (N, K, 2) contours of the network, before the clicks.
        region: (5,) region that the network was applied to.
        prompt: ``box``, ``point`` or ``auto``: origin of the region.
        confidence: confidence that the frame shows the object, where it was estimated.
        warning: points that the contours do not obey, or why none was used; empty where they obey all.
        doubtful: whether the confidence is below the model's threshold.
        scale: why the scale of the frame, and with it the size of the region, cannot be right; empty if it can.
        scattered: whether the centers of its stack do not lie on a line, so that it may show something else.
    """

    frame: int
    vertices: tuple[np.ndarray, ...]
    drawn: np.ndarray
    region: Tensor
    prompt: str
    confidence: float | None = None
    warning: str = ""
    doubtful: bool = False
    scale: str = ""
    scattered: bool = False


def outline_image(image: LabelImage, prompts: Prompts, model: ContourModel) -> list[Outlined]:
    """Outline the slices of a request.

    On a slice the region is the box; without a box, a square about the first foreground point; without a point, it is
    located automatically. For objects without a typical size, such as masses, two or more foreground points span the
    box. The network draws a contour in the region, which every point then corrects, including the first: foreground
    points end inside, background points outside of the structure whose contour is nearest. Points that no contour can
    obey are named in ``warning``. The answer depends on this request alone, not on earlier ones.

    Args:
        image: the image.
        prompts: the prompts.
        model: the bundle.

    Returns:
        Contours by frame; without prompts only of frames in which the object was found.

    Raises:
        ValueError: when the bundle needs a box or a point, or nothing was found.
    """
    if not prompts.any:
        return find_contours(image, range(len(image.places)), model)
    results = []
    for part in prompts_by_slice(prompts, image.shape[2]):
        indices = image.frames_of(part.slice, prompts.phase)
        drawn = _drawn(image, indices, part, model)
        results += [_corrected(outlined, part, image, model) for outlined in drawn]
    return _filled(results)


def _drawn(image: LabelImage, indices: Sequence[int], part: SlicePrompts, model: ContourModel) -> list[Outlined]:
    if part.box is not None:
        return _outlined(image, indices, RegionRequest("box", part.box), model)
    if model.regions.point_side is None:
        return _outlined(image, indices, RegionRequest("box", _spanned(part.foreground, model)), model)
    if len(part.foreground):
        x, y = part.foreground[0].tolist()
        return _outlined(image, indices, RegionRequest("point", (x, y)), model)
    return find_contours(image, indices, model, every=True)


def _spanned(points: Tensor, model: ContourModel) -> tuple[float, float, float, float]:
    """(x0, y0, x1, y1) about points, which lie within the object."""
    box = torch.cat([points.amin(0), points.amax(0)]).tolist() if len(points) else [0.0] * 4
    if box[2] - box[0] < 1 or box[3] - box[1] < 1:
        raise ValueError(
            f"Expected a box for {model.label}, whose outlines have no typical size: draw a ROI, or click on two or "
            "more ends of the object."
        )
    return box[0], box[1], box[2], box[3]


def find_contours(
    image: LabelImage, indices: Sequence[int], model: ContourModel, every: bool = False
) -> list[Outlined]:
    """Outline frames without a box or a point, in the regions that the bundle locates.

    Args:
        image: the image.
        indices: indices of the frames.
        model: the bundle.
        every: outline also frames that do not seem to show the object.

    Raises:
        ValueError: when the bundle has no localizer, or finds nothing.
    """
    if model.localizer is None:
        raise ValueError(f"Expected a box or a point for {model.label}, since {model.no_localizer}: draw or click one.")
    return _filled(_outlined(image, indices, RegionRequest("auto"), model, every))


def _filled(results: list[Outlined]) -> list[Outlined]:
    if not results:
        raise ValueError(f"Expected something to outline, but there is {NO_CONTRAST}: click or draw a box elsewhere.")
    return results


def _outlined(
    image: LabelImage, indices: Sequence[int], request: RegionRequest, model: ContourModel, every: bool = False
) -> list[Outlined]:
    part = replace(image.inputs, frames=[image.inputs.frames[index] for index in indices])
    grid, _ = find_grid(part.frames)
    outlines: list[Outline] = outline_frames(request, part, model, grid, every, none_is_an_error=False)
    results = []
    for index, outline in zip(indices, outlines, strict=True):
        if outline.final is not None and outline.region is not None:
            results.append(
                Outlined(
                    index,
                    tuple(outline.final),
                    outline.final,
                    outline.region,
                    request.kind,
                    outline.confidence,
                    doubtful=outline.doubtful,
                    scale=outline.scale,
                    scattered=outline.scattered,
                )
            )
    return results


def _corrected(outlined: Outlined, part: SlicePrompts, image: LabelImage, model: ContourModel) -> Outlined:
    if not len(part.foreground) and not len(part.background):
        return outlined
    contours = [torch.from_numpy(vertices) for vertices in outlined.drawn]
    try:
        if outlined.prompt == "point":
            contours = _second_look(contours, outlined, part.foreground[0], image, model)
        clicks = assign_clicks(contours, part.foreground, part.background, model.nested)
        bent = [correct_contour(vertices, *own) for vertices, own in zip(contours, clicks, strict=True)]
    except ValueError as error:
        return replace(outlined, warning=f"The points were not used: {error}")
    if model.nested:
        bent = nest(bent)
    contradicted: dict[tuple[float, float], None] = {}
    for vertices, own in zip(bent, clicks, strict=True):
        contradicted |= dict.fromkeys((x, y) for x, y in contradicted_clicks(vertices, *own).tolist())
    places = ", ".join(f"[{x - CENTER:g}, {y - CENTER:g}]" for x, y in contradicted)
    warning = f"No contour obeys all points; not obeyed: {places}. Move or delete them." if contradicted else ""
    return replace(outlined, vertices=tuple(vertices.numpy() for vertices in bent), warning=warning)


def _second_look(
    contours: list[Tensor], outlined: Outlined, click: Tensor, image: LabelImage, model: ContourModel
) -> list[Tensor]:
    """Contours of a smaller region, if the contours of the region about a click miss the click and these do not."""
    if any(_is_inside(vertices, click) for vertices in contours):
        return contours
    frame = image.inputs.frames[outlined.frame]
    seen, region = network_input(frame, expand_roi(outlined.region, SECOND_REGION_SCALE), model)
    (found,) = model.infer([seen], [region])
    last = model.place_border(found[-1] if found.ndim == 4 else found[-1][None], frame.spacing)
    return list(last) if any(_is_inside(vertices, click) for vertices in last) else contours


def _is_inside(vertices: Tensor, point: Tensor) -> bool:
    return float(nearest_on_contour(vertices, point[None]).depth) > 0


def assign_clicks(
    contours: Sequence[Tensor], foreground: Tensor, background: Tensor, nested: bool
) -> list[tuple[Tensor, Tensor]]:
    """Points that have to be inside and outside of each structure.

    Args:
        contours: (K, 2) pixels of each structure, nested ones from the innermost.
        foreground: (N, 2) points inside of the structure whose contour is nearest.
        background: (M, 2) points outside of the structure whose contour is nearest.
        nested: whether each structure contains the ones before it: then a point inside a structure is also inside all
            after it, and a point outside a structure is also outside all before it.

    Returns:
        (foreground, background) of each structure.
    """
    inside, outside = (_nearest(contours, points) for points in (foreground, background))
    return [
        (
            foreground[inside <= number if nested else inside == number],
            background[outside >= number if nested else outside == number],
        )
        for number in range(len(contours))
    ]


def _nearest(contours: Sequence[Tensor], points: Tensor) -> Tensor:
    """(N,) index of the contour that is nearest to each point; the first one of equally near ones."""
    distances = [nearest_on_contour(vertices, points.to(vertices)).depth.abs() for vertices in contours]
    return torch.stack(distances).argmin(0)


def nest(contours: Sequence[Tensor]) -> list[Tensor]:
    """Restore the nesting of contours after corrections; contours that need no repair are returned unchanged.

    Args:
        contours: (K, 2) pixels, from the innermost; K may differ.
    """
    if len(contours) == 1:
        return list(contours)
    number = max(map(len, contours))
    even = torch.stack([_subdivided(vertices, number) for vertices in contours])
    repaired = nest_contours(even)
    return [
        vertices if torch.equal(before, after) else after
        for vertices, before, after in zip(contours, even, repaired, strict=True)
    ]


def _subdivided(vertices: Tensor, number: int) -> Tensor:
    """The same polygon with as many vertices: the longest edges are halved, the outline does not change."""
    while len(vertices) < number:
        following = vertices.roll(-1, dims=0)
        edge = int((following - vertices).norm(dim=-1).argmax())
        middle = (vertices[edge] + following[edge]) / 2
        vertices = torch.cat([vertices[: edge + 1], middle[None], vertices[edge + 1 :]])
    return vertices
