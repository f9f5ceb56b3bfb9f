# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""ROI `auto`: the region of interest about the left ventricle of short-axis MR, without a click.

Single frames are searched one by one: the network draws a contour in each window of a grid, and the contours that look
like a ventricle's are followed to their middle and compared (:mod:`monai_acdr.inferers.heart_candidates`). Of a series
only a few slices are searched, at a few phases, where something moves; the candidates that lie on one line through the
stack give the heart's axis (:mod:`monai_acdr.inferers.heart_axis`), and every slice is then looked at about the axis.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from monai.data.meta_tensor import MetaTensor
from torch import Tensor

from monai_acdr.inferers.heart_axis import HeartAxis, Vote, find_axis, motion_map, moving_centers
from monai_acdr.inferers.heart_candidates import Candidate, Infer, find_candidates, grid_centers, judge_place
from monai_acdr.transforms import roi_about_center

__all__ = ["FrameFinding", "HeartROIs", "find_heart_rois"]

SEARCHED_SLICES = 5
"""Slices of a stack whose windows are all looked at."""
SEARCHED_PHASES = 2
"""Phases at which they are."""
JUDGED_PHASES = 3
"""Phases at which every slice is looked at about the axis."""
NEAR_AXIS = 0.15
"""A slice's own centre counts when nearer to the axis than this, in sides of the ROI."""
THRESHOLD = 0.15
"""Confidence of the ventricle. Chosen on about 135 slices with a ventricle (Sunnybrook training group, looked at about
the reference), of which it loses 2 %, and on the seven without of two of those patients, of which it finds the three
below the apex and none above the base. Two other patients have two more without, and it finds neither."""
FEWEST_PHASES = 4
"""With fewer, motion is not looked at."""


@dataclass(frozen=True)
class FrameFinding:
    """Whether a frame shows the ventricle.

    Attributes:
        is_ventricle: the confidence reaches the threshold, or does so in slices on both sides.
        confidence: 0 to 1, by the features of the contours: how sure this is the ventricle and nothing else.
    """

    is_ventricle: bool
    confidence: float


@dataclass(frozen=True)
class HeartROIs:
    """What was found, in the order of the images.

    Attributes:
        rois: (5,) each; where no ventricle was found, about the heart's axis or the image's middle.
        findings: one a frame; all frames of a slice have the same.
        searched: numbers of the images that were searched as a whole.
    """

    rois: list[Tensor]
    findings: list[FrameFinding]
    searched: list[int]


def find_heart_rois(
    images: Sequence[MetaTensor],
    infer: Infer,
    sides: Sequence[float],
    slice_index: Sequence[int] | None = None,
    phase: Sequence[int] | None = None,
    threshold: float = THRESHOLD,
) -> HeartROIs:
    """Find the left ventricle.

    Args:
        images: (1, H, W) each, of ONE short-axis series, or single frames.
        infer: images and ROIs to contours of all iterations, in pixels of the images:
            :class:`~monai_acdr.inferers.ContourInferer` with images whose present pixels are their file's.
        sides: (width, height) in pixels of the ROI that the network expects about a ventricle; about 130 mm.
        slice_index: slice of each image, equally spaced and numbered along the stack; None for single frames, which
            are searched one by one.
        phase: phase of each image, used to order the frames of a slice; None where the order given is that of time.
        threshold: confidence from which a frame counts as one with a ventricle.

    Returns:
        A ROI and a finding for each image. Frames without a ventricle are often taken for ones with it: above the base,
        where the atrium and the outflow tract are as round and bright, mostly.

    Raises:
        ValueError: for no images, images of another shape, or numbers that do not fit.
    """
    _check(images, sides, slice_index, phase, threshold)
    if slice_index is None:
        return _single_frames(images, infer, sides, threshold)
    slices = _group(slice_index, phase)
    axis, searched = _search(images, infer, sides, slices)
    places = {
        number: _look_at(images, infer, sides, _spread(frames, JUDGED_PHASES), axis, number)
        for number, frames in slices.items()
    }
    findings = _findings({number: score for number, (_, score) in places.items()}, threshold)
    rois = [_roi(places[int(number)][0], sides) for number in slice_index]
    return HeartROIs(rois, [findings[int(number)] for number in slice_index], searched)


def _single_frames(images: Sequence[MetaTensor], infer: Infer, sides: Sequence[float], threshold: float) -> HeartROIs:
    rois, findings = [], []
    for image in images:
        candidates = _candidates(image, infer, sides)
        center = candidates[0].center if candidates else roi_about_center(image.shape[1:])[:2]
        rois.append(_roi(center, sides))
        findings.append(_finding(candidates[0].score if candidates else None, threshold))
    return HeartROIs(rois, findings, list(range(len(images))))


def _search(
    images: Sequence[MetaTensor], infer: Infer, sides: Sequence[float], slices: dict[int, list[int]]
) -> tuple[HeartAxis | None, list[int]]:
    """The heart's axis, and the frames that were searched for it."""
    motion = _motion(images, slices)
    scale = np.asarray(sides, dtype=np.float64)
    votes, searched = [], []
    for number in _spread(list(slices), SEARCHED_SLICES):
        for frame in _spread(slices[number], SEARCHED_PHASES):
            searched.append(frame)
            for found in _candidates(images[frame], infer, sides, motion):
                x, y = (found.center.numpy() / scale).tolist()
                votes.append(Vote(number, frame, (x, y), found.score))
    return find_axis(votes, max(slices) - min(slices) + 1), searched


def _motion(images: Sequence[MetaTensor], slices: dict[int, list[int]]) -> Tensor | None:
    """Motion of all slices together; None where there are too few phases, or images of several sizes."""
    if len({tuple(image.shape) for image in images}) > 1:
        return None
    maps = [
        motion_map(torch.stack([images[frame].as_tensor()[0] for frame in frames]))
        for frames in slices.values()
        if len(frames) >= FEWEST_PHASES
    ]
    return torch.stack(maps).sum(0) if maps else None


def _candidates(
    image: MetaTensor, infer: Infer, sides: Sequence[float], motion: Tensor | None = None
) -> list[Candidate]:
    """Candidates of an image, none where it is constant."""
    pixels = image.as_tensor()
    if not float(pixels.max()) > float(pixels.min()):
        return []
    centers = grid_centers(image.shape[1:], sides)
    return find_candidates(image, infer, sides, centers if motion is None else moving_centers(motion, centers, sides))


def _look_at(
    images: Sequence[MetaTensor],
    infer: Infer,
    sides: Sequence[float],
    frames: Sequence[int],
    axis: HeartAxis | None,
    number: int,
) -> tuple[Tensor, float | None]:
    """Middle of a slice's ventricle over some phases, and its mean score; the axis where there is none near it."""
    scale = torch.as_tensor(sides, dtype=torch.float64)
    if axis is None:
        return roi_about_center(images[frames[0]].shape[1:])[:2], None
    expected = axis(number) * scale
    found = [each for each in (judge_place(images[frame], infer, expected, sides) for frame in frames) if each]
    if not found:
        return expected, None
    middle = torch.stack([each.center for each in found]).median(0).values
    score = float(np.mean([each.score for each in found]))
    is_near = float(((middle - expected) / scale).norm()) <= NEAR_AXIS
    return middle if is_near else expected, score


def _group(slice_index: Sequence[int], phase: Sequence[int] | None) -> dict[int, list[int]]:
    """Frames of each slice in the order of their phases, slices in ascending order."""
    phases = range(len(slice_index)) if phase is None else phase
    slices: dict[int, list[int]] = {int(number): [] for number in sorted(set(slice_index))}
    for frame in sorted(range(len(slice_index)), key=lambda index: phases[index]):
        slices[int(slice_index[frame])].append(frame)
    return slices


def _spread(values: Sequence[int], number: int) -> list[int]:
    """At most ``number`` of the values, evenly from the middles of equal parts."""
    if len(values) <= number:
        return list(values)
    return [values[int((index + 0.5) * len(values) / number)] for index in range(number)]


def _roi(center: Tensor, sides: Sequence[float]) -> Tensor:
    x, y = center.tolist()
    return torch.tensor([x, y, float(sides[0]), float(sides[1]), 0.0], dtype=torch.float64)


def _finding(score: float | None, threshold: float) -> FrameFinding:
    confidence = 0.0 if score is None else float(torch.sigmoid(torch.tensor(score)))
    return FrameFinding(confidence >= threshold, confidence)


def _findings(scores: dict[int, float | None], threshold: float) -> dict[int, FrameFinding]:
    """Of each slice; a slice between two with a ventricle has one."""
    findings = {number: _finding(score, threshold) for number, score in scores.items()}
    sure = [number for number, finding in findings.items() if finding.is_ventricle]
    return {
        number: FrameFinding(bool(sure) and min(sure) <= number <= max(sure), finding.confidence)
        for number, finding in findings.items()
    }


def _check(
    images: Sequence[MetaTensor],
    sides: Sequence[float],
    slice_index: Sequence[int] | None,
    phase: Sequence[int] | None,
    threshold: float,
) -> None:
    if not images:
        raise ValueError("Expected at least one image, but got none: is the series empty?")
    shapes = {tuple(image.shape) for image in images if image.ndim != 3 or image.shape[0] != 1}
    if shapes:
        raise ValueError(
            f"Expected images (1, H, W), but got {sorted(shapes)}: use EnsureChannelFirstd and CheckImaged."
        )
    if len(sides) != 2 or not all(0 < float(side) < float("inf") for side in sides):
        raise ValueError(f"Expected `sides` to be a positive (width, height) in pixels, but got {tuple(sides)}.")
    for name, values in (("slice_index", slice_index), ("phase", phase)):
        if values is not None and len(values) != len(images):
            raise ValueError(f"Expected `{name}` to have one number an image, but got {len(values)} for {len(images)}.")
    if slice_index is None and phase is not None:
        raise ValueError("Expected `slice_index` with `phase`: pass zeros where all images are of one slice.")
    if not 0 <= threshold <= 1:
        raise ValueError(f"Expected `threshold` to be from 0 to 1, but got {threshold}.")
