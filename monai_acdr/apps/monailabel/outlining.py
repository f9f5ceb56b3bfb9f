# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""From a request to contours: a region for each slice, the network, and the clicks that correct its contour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from monai_acdr.apps.contour_checks import NO_CONTRAST
from monai_acdr.apps.measurements import find_grid
from monai_acdr.apps.model import ContourModel
from monai_acdr.apps.monailabel.images import LabelImage
from monai_acdr.apps.monailabel.prompts import CENTRE, Prompts, SlicePrompts, prompts_by_slice
from monai_acdr.apps.outlines import Outline, outline_frames
from monai_acdr.apps.regions import RegionRequest, region_sides
from monai_acdr.dicom import LV_ENDOCARDIUM
from monai_acdr.inferers import contour_from_clicks, contradicted_clicks, correct_contour
from monai_acdr.inferers.contour_distance import nearest_on_contour

__all__ = ["Outlined", "find_contours", "outline_image"]


@dataclass(frozen=True, eq=False)
class Outlined:
    """A contour on one frame of an image.

    Attributes:
        frame: index of the frame.
        vertices: (K, 2) float64 in pixels of the frame.
        drawn: (K, 2) what the network drew, before the clicks.
        region: (5,) where it looked.
        prompt: ``box``, ``point`` or ``auto``: what the region comes from.
        confidence: that there is something to outline, where that was estimated.
        warning: which points the contour does not obey, or why none was used; empty where it obeys all.
    """

    frame: int
    vertices: np.ndarray
    drawn: np.ndarray
    region: Tensor
    prompt: str
    confidence: float | None = None
    warning: str = ""


def outline_image(image: LabelImage, prompts: Prompts, model: ContourModel) -> list[Outlined]:
    """Outline what was asked for.

    On a slice the region is the box; else a square about the first foreground point; else it is found automatically.
    For a bundle whose objects have no usual size, as masses, two or more foreground points span the box.
    The network draws a contour there, and every point, the first one too, then corrects it: foreground points end
    inside, background points outside. Points that it cannot obey are named in ``warning``. The answer depends on the
    request alone, not on earlier ones.

    Args:
        image: what was clicked on.
        prompts: the request.
        model: the bundle.

    Returns:
        Contours by frame; without prompts only of frames in which something was found.

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
            f"Expected a box for {model.structure.label}, whose outlines have no usual size: draw a ROI, or click at "
            "two or more ends of the object."
        )
    return box[0], box[1], box[2], box[3]


def find_contours(
    image: LabelImage, indices: Sequence[int], model: ContourModel, every: bool = False
) -> list[Outlined]:
    """Outline frames without a box or a point: where the object is found.

    Args:
        image: the image.
        indices: of the frames.
        model: the bundle.
        every: outline also frames that do not seem to show the object.

    Raises:
        ValueError: when the bundle finds nothing by itself, or there is nothing.
    """
    if model.structure != LV_ENDOCARDIUM:
        raise ValueError(
            f"Expected a box or a point for {model.structure.label}: only left ventricles are found without."
        )
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
    outlines: list[Outline] = outline_frames(request, part, model, grid, every)
    results = []
    for index, outline in zip(indices, outlines, strict=True):
        if outline.final is not None and outline.region is not None:
            results.append(
                Outlined(index, outline.final, outline.final, outline.region, request.kind, outline.confidence)
            )
    return results


def _corrected(outlined: Outlined, part: SlicePrompts, image: LabelImage, model: ContourModel) -> Outlined:
    if not len(part.foreground) and not len(part.background):
        return outlined
    vertices = torch.from_numpy(outlined.drawn)
    try:
        if outlined.prompt == "point" and float(nearest_on_contour(vertices, part.foreground[:1]).depth) < 0:
            frame = image.inputs.frames[outlined.frame]
            sides = region_sides(model.regions.point_side, model.regions, frame)
            clicks = part.foreground, part.background
            bent = contour_from_clicks(model.infer, frame.image, *clicks, sides=sides)  # looks a second time
        else:
            bent = correct_contour(vertices, part.foreground, part.background)
    except ValueError as error:
        return replace(outlined, warning=f"The points were not used: {error}")
    contradicted = contradicted_clicks(bent, part.foreground, part.background).tolist()
    places = ", ".join(f"[{x - CENTRE:g}, {y - CENTRE:g}]" for x, y in contradicted)
    warning = f"No contour obeys all points; not obeyed: {places}. Move or delete them." if contradicted else ""
    return replace(outlined, vertices=bent.numpy(), warning=warning)
