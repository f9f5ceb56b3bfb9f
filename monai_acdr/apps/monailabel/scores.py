# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""How well the model does on an image with a saved label: one click in its middle, or its box, against the label."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from scipy import ndimage

from monai_acdr.apps.model import ContourModel
from monai_acdr.apps.monailabel.images import LabelImage
from monai_acdr.apps.monailabel.outlining import outline_image
from monai_acdr.apps.monailabel.prompts import parse_prompts
from monai_acdr.apps.monailabel.saved_labels import frame_masks
from monai_acdr.transforms import contour_to_mask

__all__ = ["score_label"]


def score_label(image: LabelImage, labels: np.ndarray, model: ContourModel) -> dict[str, Any]:
    """Compare the model with a saved label, frame by frame.

    Args:
        image: the image.
        labels: on its grid; all values count as the object.
        model: whose contour is compared.

    Returns:
        ``dice`` (mean of the frames with a label), ``frames`` (their number), ``area_mm2`` (mean of the label, None
        where the image has no spacing) and ``area_error`` (mean of model's by label's area, minus 1).
        ``dice`` is None where the label is empty.
    """
    dices, errors, areas = [], [], []
    for index, mask in enumerate(frame_masks(labels, image)):
        if mask is None:
            continue
        frame = image.inputs.frames[index]
        drawn = _drawn(image, index, mask, model)
        dices.append(2 * float(np.logical_and(mask, drawn).sum()) / float(mask.sum() + drawn.sum()))
        errors.append(float(drawn.sum()) / float(mask.sum()) - 1)
        if frame.spacing is not None:
            areas.append(float(mask.sum()) * frame.spacing[0] * frame.spacing[1])
    return {
        "dice": round(float(np.mean(dices)), 4) if dices else None,
        "frames": len(dices),
        "area_mm2": round(float(np.mean(areas)), 2) if areas else None,
        "area_error": round(float(np.mean(errors)), 4) if errors else None,
    }


def _drawn(image: LabelImage, index: int, mask: np.ndarray, model: ContourModel) -> np.ndarray:
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
        return np.zeros(size, dtype=bool)
    return contour_to_mask(torch.from_numpy(found[0].drawn)[None], size, 0.5)[0].numpy() > 0
