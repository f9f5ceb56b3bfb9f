# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""How well the model does on an image with a saved label: one click in its middle, or its box, against the label."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import ndimage

from monai_acdr.apps.label_values import draw_label_map, structure_masks
from monai_acdr.apps.model import ContourModel
from monai_acdr.apps.monailabel.images import LabelImage
from monai_acdr.apps.monailabel.outlining import outline_image
from monai_acdr.apps.monailabel.prompts import parse_prompts
from monai_acdr.apps.monailabel.saved_labels import frame_labels

__all__ = ["score_label"]


def score_label(image: LabelImage, labels: np.ndarray, model: ContourModel) -> dict[str, Any]:
    """Compare the model with a saved label, frame by frame.

    Args:
        image: the image.
        labels: on its grid; of a model with one structure all values count as the object, of one with several the value
            k + 1 is structure k without those before it (:mod:`monai_acdr.apps.label_values`).
            Structures that a frame's label lacks do not count there.
        model: whose contours are compared.

    Returns:
        ``dice`` (mean of the frames with a label, and of the structures), ``frames`` (their number), ``area_mm2`` (mean
        of the label, None where the image has no spacing) and ``area_error`` (mean of model's by label's area, minus
        1); areas are those of the first structure. Of several structures also ``dice_of``, label of each to its mean
        Dice. ``dice`` is None where the label is empty.
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
