# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Contours of the frames of one run: regions first, then the network."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import torch
from monai.data.meta_tensor import MetaTensor
from torch import Tensor

from monai_acdr.apps.inputs import Frame, Inputs
from monai_acdr.apps.layers import earlier_contours
from monai_acdr.apps.measurements import ABOVE_BASE, BELOW_APEX, MIN_CONTRAST, NO_CONTRAST, region_contrast
from monai_acdr.apps.model import ContourModel
from monai_acdr.apps.regions import RegionRequest, make_region, mirror_region, region_sides
from monai_acdr.dicom import LV_ENDOCARDIUM, LV_EPICARDIUM
from monai_acdr.geometry import centroid, signed_area
from monai_acdr.inferers import InferredContours, LocatedHeart, spread_in_mm
from monai_acdr.inferers.contour_inferer import nest_last
from monai_acdr.measures import (
    SOLID,
    CineGrid,
    cavities_too_wide,
    measure_wall,
    slices_above_base,
    slices_below_apex,
    solidity,
)
from monai_acdr.plausibility import check_assumed_pixels, check_object_size, image_kind
from monai_acdr.threads import one_thread
from monai_acdr.transforms import AlignLaterality
from monai_acdr.visualize.pictures import luminance

__all__ = ["Outline", "Progress", "infer_regions", "outline_frames"]

Progress = Callable[[str, int, int], None]

OFF_CENTER = 1 / 16
"""Distance of the contours' center from the center of a located region, as a share of its side, from which the network
is run again: 6 of 96 pixels. Below, a second region gives no better contours; above, the more so the farther off."""

PROBABLE = 0.4
"""Least presence of a slice that counts at the base, mean over its phases: one decision for the slice, which does not
change from phase to phase where it is close."""

LOCATED_SCALE = 2.5
"""Side of a region in located diameters where the spacing is not known and the fixed side of the bundle cannot be
right. On 44 frames of Sunnybrook's training group, enlarged by 4, the mean Dice is 0.876, 0.882, 0.886, 0.888, 0.886
and 0.875 with 2, 2.2, 2.5, 2.75, 3 and 3.5; 0.888 with the fixed side on the frames as they are."""

MAX_NOTICED = 2
"""Number of the input's findings in the message that nothing was outlined: a report, which has all, is not written."""

NO_VENTRICLE, NO_OBJECT = "no ventricle found", "no object found"
_ALIGN = AlignLaterality("L")


@dataclass(frozen=True, eq=False)
class Outline:
    """The contours of one frame: one for each of the model's N structures, from the innermost to the outermost.

    Attributes:
        evolution: (T + 1, N, K, 2) float64, the initial contours and each iteration, in pixels, the last one moved to
            the model's borders (:meth:`ContourModel.place_border`); None where the frame is left out.
        region: (5,) in pixels, None where there was none.
        confidence: confidence that the frame shows the object, where it was estimated.
        reason: why the frame has no contour in the results; empty where it has one.
        spread: (N, K) float64, spread of the members of an ensemble at the vertices of the result, in pixels
            (:func:`monai_acdr.inferers.vertex_spread`); None without contour, or from one network.
        doubtful: whether its contours are in the results with a confidence below the model's ``doubtful_below``.
        close_call: whether its confidence is near the threshold and decides about the slice: see
            :func:`monai_acdr.inferers.doubtful_frames`.
        scattered: whether the centers of its stack do not lie on a line, so that its region may be beside the heart
            (:class:`monai_acdr.inferers.LocatedHeart`).
        dented: whether its epicardium is in the results and is not convex (:data:`monai_acdr.measures.SOLID`).
        repairs: for each structure the repairs of its contour after the network, from
            :data:`monai_acdr.geometry.REPAIRS`; empty without contour.
        scale: why the scale of the frame, and with it the size of its region, cannot be right; empty if it can, and
            where the frame is left out.
    """

    evolution: np.ndarray | None
    region: Tensor | None
    confidence: float | None = None
    reason: str = ""
    spread: np.ndarray | None = None
    doubtful: bool = False
    close_call: bool = False
    scattered: bool = False
    dented: bool = False
    repairs: tuple[tuple[str, ...], ...] = ()
    scale: str = ""

    @property
    def final(self) -> np.ndarray | None:
        """(N, K, 2), the result; None where the frame is left out."""
        return self.evolution[-1] if self.evolution is not None and not self.reason else None


@dataclass(frozen=True)
class _Place:
    region: Tensor | None
    confidence: float | None = None
    reason: str = ""
    close_call: bool = False
    scale: str = ""
    scattered: bool = False


@dataclass(frozen=True)
class _Look:
    """Evolutions and spreads of frames from one pass of the network."""

    evolutions: Mapping[int, np.ndarray]
    spreads: Mapping[int, np.ndarray]

    @classmethod
    def at(cls, found: Mapping[int, InferredContours]) -> _Look:
        return cls(
            {i: _evolution(each.contours) for i, each in found.items()},
            {i: _spread(each.spread) for i, each in found.items() if each.spread is not None},
        )


def outline_frames(
    request: RegionRequest | Sequence[RegionRequest],
    inputs: Inputs,
    model: ContourModel,
    grid: CineGrid | None,
    all_frames: bool = False,
    progress: Progress | None = None,
    none_is_an_error: bool = True,
) -> list[Outline]:
    """Outline the structures of a model on every frame that has a region with contrast.

    A region without contrast gets no contour, whatever the network would draw there.

    Args:
        request: region for all frames, or a list with one for each.
        inputs: the frames.
        model: the bundle.
        grid: slice and phase of each frame, where known.
        all_frames: with ``auto``, keep contours where no ventricle was found.
        progress: called with ("outline", done, all).
        none_is_an_error: raise an error when no frame has a contour.

    Raises:
        ValueError: when a region cannot be made, the network does not have as many structures as the model names, or
            no frame has a contour.
    """
    requests = [request] * len(inputs.frames) if isinstance(request, RegionRequest) else list(request)
    with one_thread() as threads:
        workers = threads if model.device.type == "cpu" else 1
        outlines = _outlines(requests, inputs, model, grid, all_frames, progress, workers)
    if none_is_an_error and not any(outline.final is not None for outline in outlines):
        reasons = sorted({outline.reason for outline in outlines})
        anyway = "" if NO_CONTRAST in reasons else ", or with ROI auto --all-frames (all_frames=True) to outline anyway"
        noticed = "".join(f" The input has a finding: {finding.text}." for finding in inputs.findings[:MAX_NOTICED])
        raise ValueError(
            f"Expected something to outline, but no frame has a contour: {'; '.join(reasons)}. Check the "
            f"image{'' if len(outlines) == 1 else 's'}, or give another region{anyway}.{noticed}"
        )
    return outlines


def _outlines(
    requests: Sequence[RegionRequest],
    inputs: Inputs,
    model: ContourModel,
    grid: CineGrid | None,
    all_frames: bool,
    progress: Progress | None,
    workers: int,
) -> list[Outline]:
    images = [_aligned(frame.image, frame.laterality, model) for frame in inputs.frames]
    places = [
        _Place(place.region, 0.0, NO_CONTRAST) if _is_empty(frame.image, place.region) else place
        for frame, place in zip(inputs.frames, _places(requests, inputs, images, model, grid, all_frames), strict=True)
    ]
    regions = {i: place.region for i, place in enumerate(places) if place.region is not None and not place.reason}
    passes, regions = infer_regions(
        regions,
        [i for i in regions if requests[i].kind == "auto"],
        inputs.frames,
        model,
        lambda chosen: _infer(chosen, images, inputs, model, workers, progress),
    )
    found, looks, pixels = passes[-1], [_Look.at(inferred) for inferred in passes], _pixel_sizes(inputs.frames)
    places = [replace(place, region=regions.get(i, place.region)) for i, place in enumerate(places)]
    if not all_frames and all(request.kind == "auto" for request in requests):
        places = _in_ventricle(places, looks, model, grid, pixels)
    found |= _like_neighbors(places, found, model, grid, pixels)
    # Borders are moved last, since this makes walls thicker.
    evolutions = _at_borders({i: _evolution(inferred.contours) for i, inferred in found.items()}, inputs, model)
    spreads = looks[-1].spreads
    return [
        Outline(
            evolutions.get(i),
            p.region,
            p.confidence,
            p.reason,
            spreads.get(i),
            _is_doubtful(p, model),
            p.close_call,
            p.scattered and not p.reason,
            not p.reason and i in evolutions and _is_dented(evolutions[i][-1], model),
            found[i].repairs if i in found else (),
            "" if p.reason else p.scale,
        )
        for i, p in enumerate(places)
    ]


def infer_regions(
    regions: Mapping[int, Tensor],
    located: Sequence[int],
    frames: Sequence[Frame],
    model: ContourModel,
    infer: Callable[[Mapping[int, Tensor]], dict[int, InferredContours]],
) -> tuple[list[dict[int, InferredContours]], dict[int, Tensor]]:
    """Contours in given regions; a located region is a first guess, which a second pass may improve.

    Args:
        regions: (5,) in pixels, by the number of the frame.
        located: numbers of the frames whose regions come from a localizer.
        frames: the images.
        model: the bundle.
        infer: makes the contours in regions.

    Returns:
        The contours after each pass, of which the second one is left out where all regions are good enough; and the
        regions of the last contours.
    """
    passes = [infer(regions)]
    better = {i: _second_region(passes[0][i].contours[-1], regions[i], model, frames[i]) for i in located}
    again = {i: region for i, region in better.items() if region is not None}
    if again:
        passes.append({**passes[0], **infer(again)})
    return passes, {**regions, **again}


def _infer(
    regions: Mapping[int, Tensor],
    images: Sequence[MetaTensor],
    inputs: Inputs,
    model: ContourModel,
    workers: int,
    progress: Progress | None,
) -> dict[int, InferredContours]:
    """Contours of the network in the regions of some frames."""
    step, chosen = model.infer.batch_size, list(regions)
    batches = [chosen[start : start + step] for start in range(0, len(chosen), step)]

    def infer(batch: Sequence[int]) -> list[InferredContours]:
        mirrored = [_in_image(regions[i], inputs.frames[i], model) for i in batch]
        return model.infer.outline([images[i] for i in batch], mirrored)

    # One thread per batch, not several within each operator, which wait for each other at every layer: on a busy
    # machine most of the time.
    workers = max(1, min(workers, len(batches)))
    found: dict[int, InferredContours] = {}
    with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        for batch, results in zip(batches, pool.map(infer, batches), strict=True):
            found.update(zip(batch, results, strict=True))
            _check_structures(_evolution(found[batch[0]].contours), model)
            if progress is not None:
                progress("outline", len(found), len(chosen))
    return found


def _at_borders(evolutions: Mapping[int, np.ndarray], inputs: Inputs, model: ContourModel) -> dict[int, np.ndarray]:
    """Evolutions whose last contours are moved to the model's borders, in batches."""
    by_spacing: dict[tuple[float, float] | None, list[int]] = {}
    for i in evolutions:
        by_spacing.setdefault(inputs.frames[i].spacing, []).append(i)
    moved, step = dict(evolutions), model.infer.batch_size
    for spacing, frames in by_spacing.items():
        for start in range(0, len(frames), step):
            batch = frames[start : start + step]
            lasts = torch.from_numpy(np.stack([evolutions[i][-1] for i in batch]))
            for i, last in zip(batch, model.place_border(lasts, spacing).numpy(), strict=True):
                moved[i] = np.concatenate([evolutions[i][:-1], last[None]])
    return moved


def _second_region(final: Tensor, region: Tensor, model: ContourModel, frame: Frame) -> Tensor | None:
    """A better region than the located one that gave these contours; None if it is good enough, or they have collapsed.

    For a network trained on boxes it is the box about the contours. Other networks were trained on regions with the
    object near the center: a region whose contours are off center is moved to them.

    Args:
        final: (N, K, 2), or (K, 2) of one structure, in pixels.
        region: (5,) in pixels.
        model: the bundle.
        frame: the image.
    """
    final = final.reshape(-1, *final.shape[-2:])
    spans = final.flatten(0, 1).amax(0) - final.flatten(0, 1).amin(0)
    if not bool((spans >= 1).all()):
        return None
    if model.regions.point_side is None:
        return make_region(RegionRequest("contours"), frame, model.regions, list(final))
    center = centroid(final[-1]).to(region)
    height, width = frame.size
    in_image = bool((center >= 0).all()) and bool((center <= torch.tensor([width, height])).all())
    if not in_image or bool((center - region[:2]).norm() <= OFF_CENTER * region[2:4].min()):
        return None
    return torch.cat([center, region[2:]])


def _pixel_sizes(frames: Sequence[Frame]) -> list[tuple[float, float]]:
    """Spacing of each frame, by which slices are compared; 1 x 1 of all where it is not known of one."""
    known = [frame.spacing for frame in frames if frame.spacing is not None]
    return known if len(known) == len(frames) else [(1.0, 1.0)] * len(frames)


def _in_ventricle(
    places: list[_Place],
    looks: Sequence[_Look],
    model: ContourModel,
    grid: CineGrid | None,
    pixels: Sequence[tuple[float, float]],
) -> list[_Place]:
    """Leave out frames whose contours surround the atrium, or only muscle below the apex.

    See :func:`monai_acdr.measures.slices_above_base`, applied to the last pass, and
    :func:`monai_acdr.measures.slices_below_apex`, applied to each: networks that disagree about a cavity at the apex
    may agree on something else there in the second pass.
    """
    if grid is None or model.thinnest_wall is None or not model.nested:
        return places
    shape = (len(looks), max(grid.slice_index) + 1, max(grid.phase) + 1)
    areas, walls, spreads = np.full((3, *shape), np.nan)
    plausible = np.ones(shape[1:], dtype=bool)
    seen: dict[int, list[float]] = {}
    for number, place in zip(grid.slice_index, places, strict=True):
        if place.confidence is not None:
            seen.setdefault(number, []).append(place.confidence)
    improbable = {number for number, presences in seen.items() if np.mean(presences) < PROBABLE}
    for index, place in enumerate(places):
        for number, look in enumerate(looks):
            if place.reason or index not in look.evolutions:
                continue
            cell = number, grid.slice_index[index], grid.phase[index]
            last = look.evolutions[index][-1]
            wall = measure_wall(0.0, last[0], last[-1], pixels[index])
            areas[cell], walls[cell] = wall.endocardium_area_mm2, wall.thickness_mm or 0.0
            # Beyond the base lies the atrium, of which the localizer is not sure; in the last pass
            plausible[cell[1:]] = grid.slice_index[index] not in improbable and not _is_dented(last, model)
            if index in look.spreads:
                spread = torch.from_numpy(look.spreads[index][0])
                spreads[cell] = float(spread_in_mm(spread, torch.from_numpy(last[0]), pixels[index]).mean())
    reasons = {
        BELOW_APEX: np.any([slices_below_apex(*look) for look in zip(areas, walls, spreads, strict=True)], axis=0),
        ABOVE_BASE: slices_above_base(areas[-1], walls[-1], model.thinnest_wall, spreads[-1], plausible),
    }
    results = list(places)
    for i, place in enumerate(places):
        for reason, beyond in reasons.items():
            if not place.reason and beyond[grid.slice_index[i], grid.phase[i]]:
                results[i] = replace(place, reason=reason)
    return results


def _like_neighbors(
    places: Sequence[_Place],
    found: Mapping[int, InferredContours],
    model: ContourModel,
    grid: CineGrid | None,
    pixels: Sequence[tuple[float, float]],
) -> dict[int, InferredContours]:
    """Contours of the frames with an implausibly wide cavity, with a cavity like those of the nearest other slices.

    See :func:`monai_acdr.measures.cavities_too_wide`. The epicardium is kept. Relative to its center and size, the new
    contour is interpolated between the nearest slices on either side by distance, or copied if there is only one.
    """
    if grid is None or model.widest_cavity is None or not model.nested or len(model.structures) < 2:
        return {}
    cells = {(grid.slice_index[i], grid.phase[i]): i for i in found if not places[i].reason}
    lasts = {cell: found[i].contours[-1] for cell, i in cells.items()}
    areas = np.full((2, max(grid.slice_index) + 1, max(grid.phase) + 1), np.nan)
    for cell, last in lasts.items():
        areas[(slice(None), *cell)] = signed_area(last[[0, -1]]).abs().numpy() * np.prod(pixels[cells[cell]])
    wide = cavities_too_wide(areas[0], areas[1], model.widest_cavity)
    replaced = {}
    for number, phase in np.argwhere(wide).tolist():
        others = np.flatnonzero(np.isfinite(areas[0, :, phase]) & ~wide[:, phase])
        nearest = [*others[others < number][-1:], *others[others > number][:1]]
        distances = np.array([abs(grid.positions_mm[other] - grid.positions_mm[number]) for other in nearest])
        shares = distances[::-1] / distances.sum() if len(nearest) > 1 else [1.0]
        inner = torch.zeros_like(lasts[number, phase][0])
        for share, other in zip(shares, nearest, strict=True):
            cavity, outer = lasts[other, phase][[0, -1]]
            inner += float(share) * (cavity - centroid(outer)) / signed_area(outer).abs().sqrt()
        last = lasts[number, phase].clone()
        last[0] = centroid(last[-1]) + signed_area(last[-1]).abs().sqrt() * inner
        i = cells[number, phase]
        (contours,), (pushed,) = nest_last([torch.cat([found[i].contours[:-1], last[None]])])
        outer = zip(found[i].repairs[1:], pushed[1:].tolist(), strict=True)
        repairs = [(*names, "nesting") if moved and "nesting" not in names else names for names, moved in outer]
        replaced[i] = found[i]._replace(contours=contours, repairs=(("neighbors",), *repairs))
    return replaced


def _evolution(contours: Tensor) -> np.ndarray:
    """(T + 1, N, K, 2), also for a network of one structure, which gives (T + 1, K, 2)."""
    array = contours.numpy()
    return array if array.ndim == 4 else array[:, None]


def _spread(spread: Tensor) -> np.ndarray:
    """(N, K), also for a network of one structure, which gives (K,)."""
    array = spread.numpy()
    return array if array.ndim == 2 else array[None]


def _check_structures(evolution: np.ndarray, model: ContourModel) -> None:
    if evolution.shape[1] != len(model.structures):
        raise ValueError(
            f"Expected the network of {model.name} to give a contour for each of its {len(model.structures)} "
            f"structure(s), {model.label}, but it gives {evolution.shape[1]}: name each in channel_def of its "
            "metadata.json."
        )


def _is_dented(contours: np.ndarray, model: ContourModel) -> bool:
    """Whether the epicardium among contours (N, K, 2) of a model is not convex (:data:`monai_acdr.measures.SOLID`)."""
    pairs = zip(contours, model.structures, strict=True)
    return any(structure == LV_EPICARDIUM and solidity(contour) < SOLID for contour, structure in pairs)


def _is_doubtful(place: _Place, model: ContourModel) -> bool:
    if place.reason or place.confidence is None or model.doubtful_below is None:
        return False
    return place.confidence < model.doubtful_below


def _places(
    requests: Sequence[RegionRequest],
    inputs: Inputs,
    images: Sequence[MetaTensor],
    model: ContourModel,
    grid: CineGrid | None,
    all_frames: bool,
) -> list[_Place]:
    """The region of each frame, or the reason for none; for ROI auto the localizer uses all frames together."""
    automatic = [index for index, request in enumerate(requests) if request.kind == "auto"]
    hearts: dict[int, _Place] = {}
    if automatic:
        part = replace(inputs, frames=[inputs.frames[index] for index in automatic])
        whole = grid if len(automatic) == len(requests) else None
        found = _find_hearts(part, [images[index] for index in automatic], model, whole, all_frames)
        hearts = dict(zip(automatic, found, strict=True))
    paths = {request.path for request in requests if request.path is not None}
    known = {path: earlier_contours(path, inputs, model.structures) for path in paths}
    places = []
    for index, (request, frame) in enumerate(zip(requests, inputs.frames, strict=True)):
        if index in hearts:
            places.append(hearts[index])
        elif request.path is None:
            scale = "" if request.kind == "box" else _assumed_scale(frame, model)
            places.append(_Place(make_region(request, frame, model.regions), scale=scale))
        elif contours := known[request.path][index]:
            earlier = [torch.from_numpy(vertices) for vertices in contours]
            scale = "" if model.regions.point_side is None else _assumed_scale(frame, model)
            places.append(_Place(make_region(request, frame, model.regions, earlier), scale=scale))
        else:
            places.append(_Place(None, reason="no earlier contour"))
    return places


def _is_empty(image: MetaTensor, region: Tensor | None) -> bool:
    return region is not None and region_contrast(luminance(image).as_tensor(), region) < MIN_CONTRAST


def _find_hearts(
    inputs: Inputs, images: Sequence[MetaTensor], model: ContourModel, grid: CineGrid | None, all_frames: bool
) -> list[_Place]:
    if model.localizer is None:
        point = "" if model.regions.point_side is None else " or --roi point X Y"
        raise ValueError(
            f"Expected a region for {model.label}: ROI auto needs a localizer, and {model.no_localizer}; give --roi "
            f"box X0 Y0 X1 Y1{point}, in pixels, or --roi FILE with a mask or contours."
        )
    images = [luminance(image) for image in images]
    is_heart = LV_ENDOCARDIUM in model.structures  # slices of other objects are not on a line
    spacing = [frame.spacing for frame in inputs.frames]
    if grid is None or not is_heart:
        hearts = model.localizer(images, spacing=spacing)
    else:
        origins = _origins(inputs.frames, grid)
        hearts = model.localizer(images, grid.slice_index, grid.phase, origins, spacing=spacing)
    places = []
    diameters = _diameters(hearts, grid, _pixel_sizes(inputs.frames))
    for frame, heart, diameter in zip(inputs.frames, hearts, diameters, strict=True):
        sides, scale = _localized_sides(heart, diameter, frame, model)
        reason = "" if heart.counted or all_frames else NO_VENTRICLE if is_heart else NO_OBJECT
        presence = round(heart.presence, 4)
        places.append(_Place(heart.region(sides), presence, reason, heart.doubtful, scale, heart.scattered))
    return places


def _origins(frames: Sequence[Frame], grid: CineGrid) -> list[tuple[float, float, float]]:
    """Place of the first pixel of each frame along rows, columns (pixels) and normal (mm) of the stack.

    Missing slices leave gaps, and slices that were planned one by one need not lie exactly above each other.
    """
    corners = [frame.to_world([np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])]) for frame in frames]
    if corners[0] is None:
        return [(0.0, 0.0, grid.positions_mm[number]) for number in grid.slice_index]
    first, right, below = corners[0][0]
    steps = np.stack([right - first, below - first])
    steps /= (steps**2).sum(axis=1, keepdims=True)
    origins = []
    for corner, number in zip(corners, grid.slice_index, strict=True):
        x, y = (0.0, 0.0) if corner is None else steps @ (corner[0][0] - first)
        origins.append((float(x), float(y), grid.positions_mm[number]))
    return origins


def _diameters(
    hearts: Sequence[LocatedHeart], grid: CineGrid | None, pixels: Sequence[tuple[float, float]]
) -> list[float]:
    """Diameters in pixels, by which scales are judged: of a series the median, since single slices may be far off."""
    own, sides = np.array([2 * heart.radius for heart in hearts]), np.sqrt(np.prod(pixels, axis=1))
    counted = np.array([heart.counted for heart in hearts], dtype=bool)
    if grid is None or not counted.any():
        return [float(diameter) for diameter in own]
    return [float(diameter) for diameter in np.median((own * sides)[counted]) / sides]


def _assumed_scale(frame: Frame, model: ContourModel) -> str:
    """Why an image without spacing cannot have the pixels of the bundle's training images; empty where it can."""
    if frame.spacing is not None or model.regions.pixel_mm is None:
        return ""
    return check_assumed_pixels(frame.size, model.regions.pixel_mm, image_kind(model.modality))


def _localized_sides(
    heart: LocatedHeart, diameter: float, frame: Frame, model: ContourModel
) -> tuple[tuple[float, float], str]:
    """Sides of a located region, and why the scale of the frame cannot be right; empty if it can.

    The bundle's side in mm where it has one and the spacing is known, otherwise a multiple of the diameter, or, where
    the bundle has none, its side in pixels, as long as that can be right.
    """
    multiple = model.regions.localized_scale
    if multiple is not None and (frame.spacing is None or model.regions.point_side is None):
        return (2 * multiple * heart.radius,) * 2, ""
    sides = region_sides(model.regions.point_side, model.regions, frame)
    scale = _assumed_scale(frame, model) or check_object_size(diameter, sides)
    return ((LOCATED_SCALE * diameter,) * 2 if scale and frame.spacing is None else sides), scale


def network_input(frame: Frame, region: Tensor, model: ContourModel) -> tuple[MetaTensor, Tensor]:
    """Image and region (5,) of a frame for ``model.infer``: with the model's channels, and flipped if it flips."""
    return _aligned(frame.image, frame.laterality, model), _in_image(region, frame, model)


def _aligned(image: MetaTensor, laterality: str, model: ContourModel) -> MetaTensor:
    if model.channels == 3 and len(image) == 1:
        image = image.expand(3, -1, -1).clone()  # type: ignore[assignment]
    return _ALIGN(image, laterality) if model.regions.align_laterality else image  # type: ignore[return-value]


def _in_image(region: Tensor, frame: Frame, model: ContourModel) -> Tensor:
    """The region in pixels of the network's image, which may be flipped."""
    if model.regions.align_laterality and frame.laterality == "R":
        return mirror_region(region, frame.size[1])
    return region
