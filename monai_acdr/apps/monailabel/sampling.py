# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Uncertainty of the model on images, scores on labeled images, and the choice of the image to outline next."""

from __future__ import annotations

import itertools
import logging
import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from scipy import ndimage

from monai_acdr.apps.label_values import draw_label_map, draw_pixels, structure_masks
from monai_acdr.apps.model import ContourModel
from monai_acdr.apps.monailabel.images import LabelImage
from monai_acdr.apps.monailabel.outlining import Outlined, find_contours, outline_image, parse_prompts
from monai_acdr.apps.monailabel.saved_labels import frame_labels

__all__ = [
    "choose_uncertain",
    "contour_spread",
    "image_uncertainty",
    "score_label",
]

VIEWS = ((0.0, 0.0, 1.0, 0.0), (0.06, 0.0, 1.1, 90.0), (-0.06, 0.06, 0.9, 180.0), (0.0, -0.06, 1.2, 270.0))
"""Shift (x, y) as a share of the region's side, scale, and angle in degrees."""
MAX_FRAMES = 3
"""Number of frames of an image that are evaluated, evenly spread over its middle: a user waits for the answer."""
UNKNOWN_SPREAD = 1.0
"""Spread of an image in which nothing is found, so that it is offered for labeling first."""


def contour_spread(image: LabelImage, outlined: Outlined, model: ContourModel) -> float:
    """1 minus the mean Dice over all pairs of views and all structures: from 0, where views agree, to 1."""
    frame = image.inputs.frames[outlined.frame]
    x, y, width, height, angle = outlined.region.tolist()
    views = [
        torch.tensor(
            [x + dx * width, y + dy * height, width * scale, height * scale, angle + math.radians(turn)],
            dtype=torch.float64,
        )
        for dx, dy, scale, turn in VIEWS
    ]
    contours = model.infer([frame.image] * len(views), views)
    dices = []
    for number in range(len(model.structures)):
        lasts = [each[-1] if each.ndim == 3 else each[-1, number] for each in contours]
        masks = [draw_pixels(last, frame.size) for last in lasts]
        for first, second in itertools.combinations(masks, 2):
            total = first.sum() + second.sum()
            dices.append(2 * np.logical_and(first, second).sum() / total if total else 0.0)
    return 1.0 - float(np.mean(dices))


def image_uncertainty(image: LabelImage, model: ContourModel) -> float:
    """Mean spread of an image's contours, found without prompts.

    Returns:
        In [0, 1]; :data:`UNKNOWN_SPREAD` where nothing is found, or the bundle has no localizer.
    """
    number = len(image.places)
    chosen = np.unique(np.linspace(0.2 * (number - 1), 0.8 * (number - 1), min(MAX_FRAMES, number)).round().astype(int))
    try:
        contours = find_contours(image, chosen.tolist(), model)
    except ValueError:
        return UNKNOWN_SPREAD
    return (
        float(np.mean([contour_spread(image, outlined, model) for outlined in contours]))
        if contours
        else UNKNOWN_SPREAD
    )


def score_label(image: LabelImage, labels: np.ndarray, model: ContourModel) -> dict[str, Any]:
    """Compare the model with a saved label, frame by frame.

    Args:
        image: the image.
        labels: on its grid; of a model with one structure all values count as the object, of one with several the value
            k + 1 is structure k without the structures before it (:mod:`monai_acdr.apps.label_values`).
            Structures that are absent from a frame's label are not scored in that frame.
        model: the model to score.

    Returns:
        ``dice`` (mean of the frames with a label, and of the structures), ``frames`` (their number), ``area_mm2`` (mean
        of the label, None where the image has no spacing) and ``area_error`` (mean ratio of the model's to the label's
        area, minus 1); areas are those of the first structure. With several structures also ``dice_of``, the mean Dice
        of each by its label. ``dice`` is None where the label is empty.
    """
    errors, areas, frames = [], [], 0
    dices: dict[str, list[float]] = {structure.label: [] for structure in model.structures}
    for index, own in enumerate(frame_labels(labels, image)):
        masks = structure_masks(own, len(model.structures), model.nested)
        if not any(mask.any() for mask in masks):
            continue
        frame = image.inputs.frames[index]
        drawn = _drawn(image, index, next(mask for mask in masks if mask.any()), model)
        frames += 1
        for label, mask, found in zip(dices, masks, drawn, strict=True):
            if mask.any():
                dices[label].append(2 * float((mask & found).sum()) / float(mask.sum() + found.sum()))
        if masks[0].any():
            errors.append(float(drawn[0].sum()) / float(masks[0].sum()) - 1)
            if frame.spacing is not None:
                areas.append(float(masks[0].sum()) * frame.spacing[0] * frame.spacing[1])
    means = {label: round(float(np.mean(values)), 4) for label, values in dices.items() if values}
    return {
        "dice": round(float(np.mean(list(means.values()))), 4) if means else None,
        **({"dice_of": means} if len(model.structures) > 1 else {}),
        "frames": frames,
        "area_mm2": round(float(np.mean(areas)), 2) if areas else None,
        "area_error": round(float(np.mean(errors)), 4) if errors else None,
    }


def _drawn(image: LabelImage, index: int, mask: np.ndarray, model: ContourModel) -> list[np.ndarray]:
    """Masks (H, W) bool of the model's structures, given one click in the middle of `mask`, or its box."""
    z, t = image.places[index]
    if model.regions.point_side is None:
        rows, columns = np.nonzero(mask)
        box = [columns.min() - 0.5, columns.max() + 0.5, rows.min() - 0.5, rows.max() + 0.5, z, z]
        request: dict[str, Any] = {"roi": [float(value) for value in box], "slice": z, "phase": t}
    else:
        row, column = (float(value) for value in ndimage.center_of_mass(mask))
        request = {"foreground": [[column, row, z]], "phase": t}
    found = [o for o in outline_image(image, parse_prompts(request, image.shape), model) if o.frame == index]
    size = image.inputs.frames[index].size
    if not found:
        return [np.zeros(size, dtype=bool) for _ in model.structures]
    if model.nested:
        return [draw_label_map([vertices], size) > 0 for vertices in found[0].drawn]
    return structure_masks(draw_label_map(found[0].drawn, size), len(model.structures), model.nested)


MAX_IMAGES = 50
"""Number of images that are evaluated for one answer: the first ones that are not labeled."""

_logger = logging.getLogger(__name__)


def choose_uncertain(
    candidates: Sequence[str], uncertainty: Callable[[str], float], max_seconds: float = 5.0
) -> tuple[str, float] | None:
    """The most uncertain of the candidates.

    Args:
        candidates: image ids.
        uncertainty: returns the uncertainty of an image; images for which it fails are skipped, and logged.
        max_seconds: time after which no further image is evaluated.

    Returns:
        The id and its uncertainty; None without candidates. If none can be evaluated, the first one with NaN.
    """
    start, best = time.monotonic(), None
    for image_id in list(candidates)[:MAX_IMAGES]:
        try:
            value = uncertainty(image_id)
        except Exception as error:  # whatever is wrong with one image, another one can be chosen
            _logger.warning("The uncertainty of an image cannot be estimated: skipped (%s).", type(error).__name__)
            continue
        if best is None or value > best[1]:
            best = (image_id, value)
        if time.monotonic() - start > max_seconds:
            break
    if best is None and candidates:
        return candidates[0], float("nan")
    return best
