# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Where in one image the ventricle may be: windows on a grid, each with the contour that the network draws there.

A network that was trained on crops with a ventricle in the middle draws round, closed contours around a ventricle, and
ragged or tiny ones where there is none. So the contour itself tells whether its window was a good one: by its roundness
and size, the contrast between inside and outside, and whether turned and scaled windows give the same contour.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from monai.data.meta_tensor import MetaTensor
from torch import Tensor
from torch.nn import functional as F

from monai_acdr.geometry import centroid, pixel_to_normalized

__all__ = [
    "BIAS",
    "WEIGHTS",
    "WINDOW_WEIGHTS",
    "Candidate",
    "Infer",
    "contour_features",
    "find_candidates",
    "grid_centers",
    "judge_place",
    "window_contours",
]

Infer = Callable[[Sequence[MetaTensor], Sequence[Tensor]], list[Tensor]]

GRID_STEP = 0.32
"""Distance of the first windows, in sides of the ROI: the network finds a ventricle up to 0.2 sides off the centre."""
COARSE = 1.3
"""Side of the first windows, in sides of the ROI."""
KEPT = (16, 8)
"""Candidates that are looked at again, and those whose contours are compared between turned windows."""
MERGED = 0.08
"""Candidates nearer to each other, in sides of the ROI, are one."""
TURNS = ((90.0, 0.85), (180.0, 1.15), (270.0, 1.35))
"""Angle in degrees and scale of the windows whose contours should agree."""

WINDOW_WEIGHTS = {"roundness": 2.9, "log_area": -1.0, "wall_contrast": 4.0, "offset": -12.0}
"""Of the features in the order of the contours that are looked at first, and again.

Rounded from a fit to the Sunnybrook training group (``benchmarks/heart_search_fit.py``, every fourth frame, moved by up
to 70 pixels), but for the offset: the fit has -20, for hearts that are never far out.
"""
WEIGHTS = {"roundness": 1.15, "turned_roundness": 1.1, "disagreement": -1.75, "wall_contrast": 0.5, "offset": -8.0}
"""Of the features in the log odds of a candidate; see :func:`contour_features` for what they are.

Rounded from a fit of the same kind for an earlier network, of 64 x 64. The same fit for the present one puts the right
candidate first no more often, so they were kept, and the threshold that was chosen with them.
"""
BIAS = -10.5
"""Log odds where all features are zero."""
CONTRAST = 1.5
"""Largest contrast of a contour, in ranges of its ROI's pixels."""


@dataclass(frozen=True)
class Candidate:
    """A place that may be the ventricle.

    Attributes:
        center: (2,) pixels, centroid of the contour.
        contour: (K, 2) pixels.
        features: by name, see :func:`contour_features`.
        score: log odds that this is the ventricle, from the features.
    """

    center: Tensor
    contour: Tensor
    features: dict[str, float]
    score: float


def grid_centers(size: Sequence[int], sides: Sequence[float], step: float = GRID_STEP) -> Tensor:
    """Centres of windows that leave no ventricle more than about 0.2 sides from the nearest one.

    Args:
        size: (H, W) of the image.
        sides: (width, height) of the ROI in pixels.
        step: distance in sides.

    Returns:
        (N, 2) float64 pixels, a regular grid; the outermost centres lie ``step`` sides inside the image, for hearts
        are not cut by the image's border.
    """
    axes = []
    for extent, side in ((size[1], sides[0]), (size[0], sides[1])):
        margin = min(step * side, extent / 2)
        number = math.ceil((extent - 2 * margin) / (step * side) - 1e-9) + 1
        axes.append(torch.linspace(margin, extent - margin, number, dtype=torch.float64))
    x, y = torch.meshgrid(axes[0], axes[1], indexing="xy")
    return torch.stack([x.reshape(-1), y.reshape(-1)], dim=-1)


def find_candidates(
    image: MetaTensor, infer: Infer, sides: Sequence[float], centers: Tensor | None = None, number: int = KEPT[1]
) -> list[Candidate]:
    """Search one image.

    Args:
        image: (1, H, W).
        infer: images and ROIs to contours, see :class:`~monai_acdr.inferers.ContourInferer`.
        sides: (width, height) of the ROI in pixels.
        centers: (N, 2) where to look first; by default a grid over the whole image.
        number: candidates to return at most.

    Returns:
        Candidates, the best first; none where no contour has an area inside the image.
    """
    size = image.shape[1:]
    centers = grid_centers(size, sides) if centers is None else centers
    contours = window_contours(image, infer, centers, sides, COARSE)
    for _ in range(2):
        quality = _first_quality(image, contours, sides)
        centers = _distinct(centroid(contours), quality, size, sides)[: KEPT[0]]
        if not len(centers):
            return []
        contours = window_contours(image, infer, centers, sides)
    order = _first_quality(image, contours, sides).argsort(descending=True)[:number]
    return _judge(image, infer, contours[order], sides)


def judge_place(image: MetaTensor, infer: Infer, center: Tensor, sides: Sequence[float]) -> Candidate | None:
    """The candidate at a place (2,) that is known about; None where the image is constant."""
    pixels = image.as_tensor()
    if not float(pixels.max()) > float(pixels.min()):
        return None
    first = window_contours(image, infer, center[None], sides)
    return _judge(image, infer, window_contours(image, infer, _middles(image, first), sides), sides)[0]


def window_contours(
    image: MetaTensor, infer: Infer, centers: Tensor, sides: Sequence[float], scale: float = 1.0, angle: float = 0.0
) -> Tensor:
    """Final contours (N, K, 2), float64, of windows about ``centers`` (N, 2), ``scale`` times ``sides`` large."""
    rois = [_roi(center, sides, scale, angle) for center in centers]
    return torch.stack([each[-1].to(torch.float64) for each in infer([image] * len(rois), rois)])


def contour_features(image: Tensor, contours: Tensor, sides: Sequence[float]) -> dict[str, Tensor]:
    """Roundness, size and contrast of contours, each (N,) float64.

    ``roundness``: -log(1.01 - 4 pi area / perimeter^2) with both axes in sides of the ROI, about 4.6 for a circle;
    ``log_area``: log of the area in ROIs; ``contrast``: mean inside minus mean of the wall, 0.02 to 0.06 sides outside;
    ``wall_contrast``: mean inside minus the wall's brightest tenth; ``inside``: mean inside. The last three are scaled
    so that the 5th percentile of the ROI's pixels is 0 and the 95th is 1, and contrasts end at plus and minus 1.5: a
    region of one grey, outside the patient, would have any.
    """
    scale = torch.as_tensor(sides, dtype=torch.float64)
    shapes = contours / scale
    following = shapes.roll(-1, dims=-2)
    area = (shapes[..., 0] * following[..., 1] - shapes[..., 1] * following[..., 0]).sum(-1).abs() / 2
    perimeter = (following - shapes).norm(dim=-1).sum(-1).clamp_min(1e-9)
    centers = centroid(contours)[:, None]
    rays = contours - centers
    lengths = (rays / scale).norm(dim=-1, keepdim=True).clamp_min(1e-6)
    inner = torch.cat([_sample(image, centers + rays * share) for share in (0.0, 0.3, 0.55, 0.8)], dim=-1)
    wall = torch.stack([_sample(image, contours + rays / lengths * step) for step in (0.02, 0.04, 0.06)]).mean(0)
    low, high = _range(image, centers, scale)
    spread = (high - low).clamp_min(1e-6)
    inside = inner.mean(-1)
    middle = torch.tensor([image.shape[2] / 2, image.shape[1] / 2], dtype=torch.float64)
    return {
        "roundness": -torch.log(1.01 - (4 * math.pi * area / perimeter**2).clamp(max=1.0)),
        "log_area": torch.log(area + 1e-3),
        "contrast": ((inside - wall.mean(-1)) / spread).clamp(-CONTRAST, CONTRAST),
        "wall_contrast": ((inside - wall.quantile(0.9, dim=-1)) / spread).clamp(-CONTRAST, CONTRAST),
        "inside": (inside - low) / spread,
        "offset": ((centers[:, 0] / middle - 1).abs().amax(-1) - 0.5).clamp_min(0.0),
    }


def _roi(center: Tensor, sides: Sequence[float], scale: float = 1.0, angle: float = 0.0) -> Tensor:
    x, y = center.tolist()
    return torch.tensor([x, y, sides[0] * scale, sides[1] * scale, angle], dtype=torch.float64)


def _first_quality(image: Tensor, contours: Tensor, sides: Sequence[float]) -> Tensor:
    return _weigh(contour_features(image, contours, sides), WINDOW_WEIGHTS)


def _distinct(centers: Tensor, quality: Tensor, size: Sequence[int], sides: Sequence[float]) -> Tensor:
    """Centres inside the image, best first, without those near a better one."""
    kept: list[Tensor] = []
    scale = torch.as_tensor(sides, dtype=torch.float64)
    for index in quality.argsort(descending=True).tolist():
        x, y = centers[index].tolist()
        inside = 0 < x < size[1] and 0 < y < size[0]
        if inside and all(float(((centers[index] - other) / scale).norm()) > MERGED for other in kept):
            kept.append(centers[index])
    return torch.stack(kept) if kept else centers[:0]


def _judge(image: MetaTensor, infer: Infer, contours: Tensor, sides: Sequence[float]) -> list[Candidate]:
    """Compare the contours with those of turned and scaled windows, and score."""
    centers = _middles(image, contours)
    features = contour_features(image, contours, sides)
    turned = [window_contours(image, infer, centers, sides, scale, math.radians(angle)) for angle, scale in TURNS]
    others = [contour_features(image, each, sides) for each in turned]
    scale = torch.as_tensor(sides, dtype=torch.float64)
    radius = torch.sqrt(torch.exp(features["log_area"]) / math.pi)
    moved = torch.stack([((centroid(each) - centers) / scale).norm(dim=-1) / radius for each in turned])
    grown = torch.stack([(each["log_area"] - features["log_area"]).abs() / 2 for each in others])
    features["disagreement"] = torch.log((moved + grown).mean(0) + 0.02)
    features["turned_roundness"] = torch.stack([each["roundness"] for each in others]).mean(0)
    scores = _weigh(features, WEIGHTS) + BIAS
    return [
        Candidate(
            centers[index],
            contours[index],
            {name: float(values[index]) for name, values in features.items()},
            float(scores[index]),
        )
        for index in scores.argsort(descending=True).tolist()
    ]


def _middles(image: Tensor, contours: Tensor) -> Tensor:
    """Centroids (N, 2), moved into the image: those of a contour without area may lie anywhere."""
    limits = torch.tensor([image.shape[2], image.shape[1]], dtype=torch.float64)
    return centroid(contours).clamp_min(0).minimum(limits)


def _weigh(features: dict[str, Tensor], weights: dict[str, float]) -> Tensor:
    return torch.stack([weight * features[name] for name, weight in weights.items()]).sum(0)


def _sample(image: Tensor, positions: Tensor) -> Tensor:
    """Pixels of ``image`` (1, H, W) at ``positions`` (..., 2), as float64, bilinear; the border goes on outside."""
    pixels = image.as_tensor() if isinstance(image, MetaTensor) else image
    grid = pixel_to_normalized(positions, (pixels.shape[1], pixels.shape[2])).to(torch.float32).reshape(1, 1, -1, 2)
    values = F.grid_sample(pixels[None].to(torch.float32), grid, padding_mode="border", align_corners=False)
    return values.reshape(positions.shape[:-1]).to(torch.float64)


def _range(image: Tensor, centers: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    """5th and 95th percentile (N,) of the pixels of ROIs about ``centers`` (N, 1, 2), on a grid of 24 x 24."""
    steps = (torch.arange(24, dtype=torch.float64) + 0.5) / 24 - 0.5
    x, y = torch.meshgrid(steps, steps, indexing="xy")
    offsets = torch.stack([x.reshape(-1), y.reshape(-1)], dim=-1) * scale
    low, high = _sample(image, centers + offsets).quantile(torch.tensor([0.05, 0.95], dtype=torch.float64), dim=-1)
    return low, high
