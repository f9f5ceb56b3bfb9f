# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""How sure the network is of an image: the spread of contours when the region is turned, shifted and scaled."""

from __future__ import annotations

import itertools
import math

import numpy as np
import torch

from monai_acdr.apps.label_values import draw_pixels
from monai_acdr.apps.model import ContourModel
from monai_acdr.apps.monailabel.images import LabelImage
from monai_acdr.apps.monailabel.outlining import Outlined, find_contours

__all__ = ["contour_spread", "image_uncertainty"]

VIEWS = ((0.0, 0.0, 1.0, 0.0), (0.06, 0.0, 1.1, 90.0), (-0.06, 0.06, 0.9, 180.0), (0.0, -0.06, 1.2, 270.0))
"""Shift in sides of the region (x, y), scale, angle in degrees."""
MAX_FRAMES = 3
"""Frames of an image that are looked at, evenly spread over its middle: people wait for the answer."""
UNKNOWN = 1.0
"""Spread of an image in which nothing is found: the first one to ask a person about."""


def contour_spread(image: LabelImage, outlined: Outlined, model: ContourModel) -> float:
    """1 minus the mean Dice of the contours of all pairs of views, of all structures: 0 where views agree, up to 1."""
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
        In [0, 1]; :data:`UNKNOWN` where nothing is found, or the bundle finds nothing by itself.
    """
    number = len(image.places)
    chosen = np.unique(np.linspace(0.2 * (number - 1), 0.8 * (number - 1), min(MAX_FRAMES, number)).round().astype(int))
    try:
        contours = find_contours(image, chosen.tolist(), model)
    except ValueError:
        return UNKNOWN
    return float(np.mean([contour_spread(image, outlined, model) for outlined in contours])) if contours else UNKNOWN
