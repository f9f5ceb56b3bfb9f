# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Localization of the heart in a short-axis series, and of the frames that show the ventricle, without a click.

A :class:`monai_acdr.networks.nets.RegionLocalizer` looks at every frame once. Related frames are combined:

- each frame is seen turned and mirrored, so that a heart is found as well in any orientation;
- of a frame whose field of view is much larger than in training, the middle is seen, since hearts lie near it;
- the motion of a slice, the range of each pixel over its phases, is the network's second channel;
- the phases of a slice share the center, where their mean log probability is highest, and its radius; presence is
  smoothed over neighboring phases of the cycle;
- the long axis of a heart meets short-axis slices nearly on a straight line, so a center far from the line of the
  others is replaced by the best place near it, unless that would be so for most of them.

A single rule decides which frames count: a frame has a ventricle where its presence reaches the threshold, and so has
every frame between two such slices of its phase.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from monai.utils import convert_to_tensor
from torch import Tensor

from monai_acdr.networks.nets import RegionLocalizer, decode_regions
from monai_acdr.transforms.frame_view import (
    FrameView,
    frame_view,
    slice_motion,
    spread_phases,
    standardize_frames,
)

__all__ = ["HeartLine", "LocatedHeart", "Localizer", "count_frames", "doubtful_frames", "fit_heart_line"]

MOST_PHASES = 10
"""Phases of a slice that the network sees, equally spaced; presence is interpolated between them."""
ORIENTATIONS = (1, 4, 8)
VIEWS = 20
"""Views of a slice from which on its phases are seen in fewer orientations each, and in all of them together."""
CHUNK = 4
"""Batches of views that are held together, turned and mirrored: many single frames would take gigabytes."""
SMOOTHING = (1, 2, 1)
"""Weights of neighboring phases for the logit of presence."""
FEWEST_FOR_SMOOTHING = 5
"""With fewer phases, end-diastole and end-systole for example, neighbors are too far apart."""
HUBER = 0.25
"""Distance from the line, in heart radii, beyond which a center's pull on the line stops growing."""
ELSEWHERE = 1.2
"""Distance from the line, in heart radii, beyond which a center is of something else and has no pull."""
MOST_FOR_LINES = 64
"""Slices, those of the largest weights, any two of which give a line to start from."""
FEWEST_FOR_LINE = 4
"""Fewest slices with a ventricle for a line: two lie on one whatever they show, and a third may do so by chance."""
MOST_MOVED = 0.5
"""Share of the slices from which on those off the line are not the exceptions: the line may follow something else."""
LARGEST_FIELD_MM = 650.0
"""Longest side of an image of MR, with some margin; the spacing of a longer one is wrong, and nothing is cut by it."""
_ITERATIONS = 20


@dataclass(frozen=True, eq=False)
class LocatedHeart:
    """The heart in one frame.

    Attributes:
        center: (2,) float64, (x, y) in pixels of the frame and within it: the middle of the left ventricle.
        radius: of the left ventricle with its wall, in pixels.
        presence: probability that the ventricle is in the frame.
        counted: whether the frame counts as one with a ventricle (:func:`count_frames`).
        doubtful: whether that was a close decision (:func:`doubtful_frames`).
        moved: whether the center was far from the line of the other slices, and was replaced.
        scattered: whether most slices that show a ventricle were far from their line: no center was replaced, and any
            may be wrong.
    """

    center: Tensor
    radius: float
    presence: float
    counted: bool
    doubtful: bool
    moved: bool = False
    scattered: bool = False

    def region(self, sides: Sequence[float]) -> Tensor:
        """(5,) float64: the upright region (center x, center y, width, height, 0) about the heart.

        Args:
            sides: (width, height) in pixels.
        """
        return torch.tensor([*self.center.tolist(), float(sides[0]), float(sides[1]), 0.0], dtype=torch.float64)


@dataclass(frozen=True, eq=False)
class HeartLine:
    """The line ``start + slope * (place - middle)`` through a stack; (2,) float64 tensors in pixels."""

    start: Tensor
    slope: Tensor
    middle: float

    def __call__(self, place: float) -> Tensor:
        """(2,) point of the line at a place along the stack."""
        return self.start + self.slope * (place - self.middle)


class Localizer:
    """Find the heart in the frames of a series, or in single frames.

    Args:
        network: in evaluation mode.
        size: side of the square that frames are scaled to, as in the network's training.
        presence_threshold: presence from which a frame has a ventricle.
        presence_margin: presences nearer to the threshold are doubtful.
        presence_temperature: divides the logit of presence. A network is surer than it is right on images unlike those
            of its training; 1 leaves its logits (Guo et al., On Calibration of Modern Neural Networks, ICML 2017).
        line_distance: centers farther than this from the line of the slices, in heart radii, are replaced by the best
            place within it.
        field_mm: longest sides of frames, in mm, that the network knows; of a longer side, the middle of this length is
            seen. None for whole frames.
        orientations: in how many a frame is seen, 1, 4 (quarter turns) or 8 (also mirrored); the maps are averaged.
        batch_size: frames per forward pass.
        device: device of the network.

    Example:
        >>> hearts = Localizer(network.eval())(images, slice_index, phase)  # images (1, H, W) each
        >>> hearts[0].center, hearts[0].presence
    """

    def __init__(  # noqa: PLR0913
        self,
        network: RegionLocalizer,
        size: int = 128,
        presence_threshold: float = 0.5,
        presence_margin: float = 0.2,
        presence_temperature: float = 1.0,
        line_distance: float = 0.6,
        field_mm: float | None = None,
        orientations: int = 1,
        batch_size: int = 32,
        device: torch.device | str = "cpu",
    ) -> None:
        if not 0 <= presence_threshold <= 1 or not 0 <= presence_margin <= 1:
            raise ValueError(
                "Expected `presence_threshold` and `presence_margin` to be from 0 to 1, but got "
                f"{presence_threshold} and {presence_margin}."
            )
        if not 0 < presence_temperature < math.inf:
            raise ValueError(
                f"Expected `presence_temperature` to be positive and finite, but got {presence_temperature}."
            )
        if not line_distance > 0 or size < 32 or size % 32 or batch_size < 1:
            raise ValueError(
                "Expected a positive `line_distance`, a `size` that is a multiple of 32, and `batch_size` of at least "
                f"1, but got {line_distance}, {size} and {batch_size}."
            )
        if field_mm is not None and not 0 < field_mm < math.inf:
            raise ValueError(f"Expected `field_mm` to be positive and finite, or None, but got {field_mm}.")
        self.network = network
        self.size = size
        if orientations not in ORIENTATIONS:
            raise ValueError(f"Expected `orientations` to be 1, 4 or 8, but got {orientations}.")
        self.field_mm = field_mm
        self.orientations = orientations
        self.presence_threshold = presence_threshold
        self.presence_margin = presence_margin
        self.presence_temperature = presence_temperature
        self.line_distance = line_distance
        self.batch_size = batch_size
        self.device = torch.device(device)

    def __call__(
        self,
        images: Sequence[Tensor],
        slice_index: Sequence[int] | None = None,
        phase: Sequence[int] | None = None,
        origins: Sequence[Sequence[float]] | None = None,
        spacing: Sequence[Sequence[float] | None] | None = None,
    ) -> list[LocatedHeart]:
        """Find the heart.

        Args:
            images: (1, H, W) each, of one short-axis series, or single frames. Pixels are taken to be square.
            slice_index: slice of each image, numbered along the stack; None for single frames, each of which is located
                separately.
            phase: phase of each image in the cycle; None if the images are in the order of time.
            origins: (x, y, z) of the first pixel of each image, x and y in pixels along its rows and columns, z along
                the normal in any unit; None for slices that are equally spaced and lie exactly above each other.
            spacing: (between rows, between columns) of each image in mm, None where it is not known.

        Returns:
            One entry per image, in their order.

        Raises:
            ValueError: for no images, images of another shape, or numbers that do not fit.
        """
        _check(images, slice_index, phase, origins, spacing)
        margins = [self._margins(image, None if spacing is None else spacing[i]) for i, image in enumerate(images)]
        whole, images = images, [_middle(image, *margin) for image, margin in zip(images, margins, strict=True)]
        numbers = list(range(len(images))) if slice_index is None else [int(number) for number in slice_index]
        slices = _group(images, numbers, phase)
        looks = self._look(images, slices)
        places, scattered = [_place(look) for look in looks], False
        if slice_index is not None:
            known = [(0.0, 0.0, float(number)) for number in numbers] if origins is None else origins
            corners = torch.tensor([tuple(known[members[0]]) for members in slices], dtype=torch.float64)
            corners[:, :2] += torch.tensor([margins[members[0]] for members in slices]).flip(1)  # rows, columns: y, x
            places, scattered = self._pulled(places, looks, corners)
        presence = [0.0] * len(images)
        for members, look, place in zip(slices, looks, places, strict=True):
            logits = _between(_smooth(place.logits), look.phases, len(members))
            for frame, logit in zip(members, logits, strict=True):
                presence[frame] = self._probability(logit)
        counted = count_frames(presence, self.presence_threshold, slice_index, phase)
        doubtful = doubtful_frames(presence, self.presence_threshold, self.presence_margin, slice_index, phase)
        results: list[LocatedHeart | None] = [None] * len(images)
        for members, place in zip(slices, places, strict=True):
            # cells of the heat map may be wider than a narrow image
            height, width = whole[members[0]].shape[-2:]
            center = place.center + place.center.new_tensor(margins[members[0]]).flip(0)
            center = center.clamp(min=0.0).minimum(center.new_tensor([width, height]))
            for frame in members:
                results[frame] = LocatedHeart(
                    center, place.radius, presence[frame], counted[frame], doubtful[frame], place.moved, scattered
                )
        return [result for result in results if result is not None]

    def _margins(self, image: Tensor, spacing: Sequence[float] | None) -> tuple[int, int]:
        """Rows above and columns beside the part of an image that is seen."""
        if self.field_mm is None or spacing is None:
            return 0, 0
        sides = [count * step for count, step in zip(image.shape[-2:], spacing, strict=True)]
        if max(sides) > LARGEST_FIELD_MM:
            return 0, 0
        seen = [math.ceil(self.field_mm / step) for step in spacing]
        rows, columns = (max(0, (count - kept) // 2) for count, kept in zip(image.shape[-2:], seen, strict=True))
        return rows, columns

    def _look(self, images: Sequence[Tensor], slices: Sequence[Sequence[int]]) -> list[_Look]:
        """Predictions of the network for each slice; maps are on the CPU."""
        phases = [spread_phases(len(members), MOST_PHASES) for members in slices]
        views = []
        for members, chosen in zip(slices, phases, strict=True):
            pixels = torch.stack(
                [convert_to_tensor(images[frame], torch.float32, track_meta=False) for frame in members]
            )
            views.append(frame_view(torch.cat([pixels, slice_motion(pixels)], 1)[chosen], self.size))
        orientations = [_orientations(len(chosen), self.orientations) for chosen in phases]
        maps: list[Tensor] = []
        for chunk in _chunks([len(own) for own in orientations], CHUNK * self.batch_size):
            seen = torch.stack(
                [_oriented(views[number].image[place], way) for number in chunk for place, way in orientations[number]]
            )
            parts = self._maps(seen).split([len(orientations[number]) for number in chunk])
            maps += [_turned_back(part, orientations[number]) for part, number in zip(parts, chunk, strict=True)]
        return [_Look(*one) for one in zip(views, maps, phases, strict=True)]

    def _maps(self, seen: Tensor) -> Tensor:
        parts = []
        for start in range(0, len(seen), self.batch_size):
            batch = standardize_frames(seen[start : start + self.batch_size]).to(self.device)
            with torch.inference_mode():
                parts.append(self.network(batch.to(memory_format=torch.channels_last)).float().cpu())
        maps = torch.cat(parts)
        if not bool(torch.isfinite(maps).all()):
            raise ValueError(
                "Expected finite maps, but the localizer gave NaN or infinity: check the images and its weights."
            )
        return maps

    def _probability(self, logit: float) -> float:
        return float(torch.tensor(logit / self.presence_temperature, dtype=torch.float64).sigmoid())

    def _pulled(self, places: Sequence[_Place], looks: Sequence[_Look], corners: Tensor) -> tuple[list[_Place], bool]:
        """Replace places that are far from the line of the others.

        Args:
            places: of each slice.
            looks: of each slice.
            corners: (S, 3), the first pixel of each slice; the line is one of the stack, not of the images.

        Returns:
            The places, unchanged where there is no line; and whether that is because most of those of a ventricle are
            far from theirs.
        """
        shapes = {(look.view.side, look.view.offset) for look in looks}
        logits = [sum(place.logits) / len(place.logits) for place in places]
        present = [self._probability(logit) >= self.presence_threshold for logit in logits]
        if len(shapes) > 1 or sum(present) < FEWEST_FOR_LINE:
            return list(places), False
        radius = float(np.median([place.radius for place, seen in zip(places, present, strict=True) if seen]))
        centers = torch.stack([place.center for place in places])
        line = fit_heart_line(
            corners[:, 2],
            centers + corners[:, :2],
            torch.tensor(logits, dtype=torch.float64).sigmoid(),  # without temperature: the more certain, the heavier
            radius,
        )
        reach = self.line_distance * radius
        expected = [line(float(corner[2])) - corner[:2] for corner in corners]
        far = [float((place.center - near).norm()) > reach for place, near in zip(places, expected, strict=True)]
        if sum(off and seen for off, seen in zip(far, present, strict=True)) >= MOST_MOVED * sum(present):
            return list(places), True
        return [
            # presence is a matter of the whole frame, as in training: it stays
            replace(_place(look, near, reach), logits=place.logits) if off else place
            for place, look, near, off in zip(places, looks, expected, far, strict=True)
        ], False


def fit_heart_line(along: Tensor, centers: Tensor, weights: Tensor, radius: float) -> HeartLine:
    """Fit a line through the centers of slices, robust against wrong ones, which may be the majority.

    The line through two of the centers that most others agree with (Torr and Zisserman, MLESAC, 2000) is the start of
    iterated weighted least squares with Huber's weights (Huber and Ronchetti, Robust Statistics, 2009), without centers
    that are :data:`ELSEWHERE`.

    Args:
        along: (S,) places of the slices along the stack, in any unit.
        centers: (S, 2) in pixels.
        weights: (S,) certainty of each slice, non-negative.
        radius: of the heart in pixels, the unit in which distances are counted.

    Raises:
        ValueError: for other shapes, or no slice with a weight.
    """
    count = len(along)
    if along.shape != (count,) or centers.shape != (count, 2) or weights.shape != (count,) or not radius > 0:
        raise ValueError(
            f"Expected (S,), (S, 2), (S,) and a positive radius, but got {tuple(along.shape)}, "
            f"{tuple(centers.shape)}, {tuple(weights.shape)} and {radius}."
        )
    if not float(weights.sum()) > 0:
        raise ValueError("Expected a slice with a weight above 0, but got none.")
    along, centers, weights = along.double(), centers.double(), weights.double()
    middle = float((weights * along).sum() / weights.sum())
    along = along - middle
    start, slope = _agreed_line(along, centers, weights, radius)
    for _ in range(_ITERATIONS):
        distance = (centers - start - along[:, None] * slope).norm(dim=1) / radius
        weight = weights * (HUBER / distance.clamp(min=HUBER)) * (distance < ELSEWHERE)
        total = weight.sum()  # above 0: least squares leave some of the centers near the line
        mean_along = (weight * along).sum() / total
        mean_center = (weight[:, None] * centers).sum(0) / total
        spread = (weight * (along - mean_along) ** 2).sum()
        if float(spread) > 0:
            slope = (weight[:, None] * (along - mean_along)[:, None] * (centers - mean_center)).sum(0) / spread
        start = mean_center - slope * mean_along
    return HeartLine(start, slope, middle)


def _agreed_line(along: Tensor, centers: Tensor, weights: Tensor, radius: float) -> tuple[Tensor, Tensor]:
    """Start (2,) and slope (2,) of the line through two centers, or one along the stack, with the most weight near it.

    A center counts less the farther it is, and not at all where it is :data:`ELSEWHERE`.
    """
    used = weights.argsort(descending=True, stable=True)[:MOST_FOR_LINES]
    first, second = torch.triu_indices(len(used), len(used), 1)
    first, second = used[first], used[second]
    apart = along[second] - along[first]
    first, second, apart = (each[apart != 0] for each in (first, second, apart))
    slopes = torch.cat([torch.zeros_like(centers[used]), (centers[second] - centers[first]) / apart[:, None]])
    through = torch.cat([used, first])
    starts = centers[through] - along[through, None] * slopes
    distance = (centers - starts[:, None] - along[:, None] * slopes[:, None]).norm(dim=2) / radius
    best = (weights * (1 - (distance / ELSEWHERE) ** 2).clamp(min=0)).sum(1).argmax()
    return starts[best], slopes[best]


def count_frames(
    presence: Sequence[float],
    threshold: float,
    slice_index: Sequence[int] | None = None,
    phase: Sequence[int] | None = None,
) -> list[bool]:
    """Frames that count as showing a ventricle: the single rule for the frames to outline and measure.

    A frame counts when its presence reaches the threshold, or when slices on both sides of it do so at its phase.

    Args:
        presence: probability of each frame.
        threshold: from 0 to 1.
        slice_index: slice of each frame; None for single frames.
        phase: phase of each frame; None takes the order within each slice.
    """
    sure = [value >= threshold for value in presence]
    if slice_index is None:
        return sure
    counted = list(sure)
    for frames in _columns(slice_index, phase):
        present = [int(slice_index[frame]) for frame in frames if sure[frame]]
        for frame in frames:
            if present and min(present) <= slice_index[frame] <= max(present):
                counted[frame] = True
    return counted


def doubtful_frames(
    presence: Sequence[float],
    threshold: float,
    margin: float,
    slice_index: Sequence[int] | None = None,
    phase: Sequence[int] | None = None,
) -> list[bool]:
    """Frames that another threshold would have counted differently.

    At each phase these are the first and the last slice that count, and the next slices beyond, if their presence is
    within the margin of the threshold; of single frames, all within the margin.

    Args:
        presence: as for :func:`count_frames`.
        threshold: as for :func:`count_frames`.
        margin: from 0 to 1.
        slice_index: as for :func:`count_frames`.
        phase: as for :func:`count_frames`.
    """
    close = [abs(value - threshold) < margin for value in presence]
    if slice_index is None:
        return close
    counted = count_frames(presence, threshold, slice_index, phase)
    doubtful = [False] * len(close)
    for frames in _columns(slice_index, phase):
        ordered = sorted(frames, key=lambda frame: slice_index[frame])
        inside = [place for place, frame in enumerate(ordered) if counted[frame]]
        # where no slice counts, the likeliest one is the nearest to being counted
        ends = [inside[0] - 1, inside[0], inside[-1], inside[-1] + 1] if inside else []
        if not inside:
            ends = [max(range(len(ordered)), key=lambda place: presence[ordered[place]])]
        for place in ends:
            if 0 <= place < len(ordered):
                doubtful[ordered[place]] = close[ordered[place]]
    return doubtful


def _columns(slice_index: Sequence[int], phase: Sequence[int] | None) -> list[list[int]]:
    """Frames of each phase."""
    columns: dict[int, list[int]] = defaultdict(list)
    seen: dict[int, int] = defaultdict(int)
    for frame, number in enumerate(slice_index):
        columns[seen[number] if phase is None else int(phase[frame])].append(frame)
        seen[number] += 1
    return list(columns.values())


def _orientations(count: int, most: int) -> list[tuple[int, int]]:
    """(phase, orientation) of the views of a slice with so many phases, in the order of the phases.

    Each phase has as many of the ``most`` orientations as leave about :data:`VIEWS` views; neighbors have other ones.
    """
    each = min(most, max(1, math.ceil(VIEWS / count)))
    return [(phase, (phase * each + number) % most) for phase in range(count) for number in range(each)]


def _chunks(counts: Sequence[int], most: int) -> list[list[int]]:
    """Numbers of consecutive slices with at most so many views together, at least one slice each."""
    chunks: list[list[int]] = [[]]
    views = 0
    for number, count in enumerate(counts):
        if chunks[-1] and views + count > most:
            chunks.append([])
            views = 0
        chunks[-1].append(number)
        views += count
    return chunks


def _oriented(image: Tensor, orientation: int) -> Tensor:
    """(..., side, side) after 0 to 3 quarter turns, from orientation 4 on mirrored before."""
    return torch.rot90(image.flip(-1) if orientation >= 4 else image, orientation, (-2, -1))


def _turned_back(maps: Tensor, seen: Sequence[tuple[int, int]]) -> Tensor:
    """(P, 3, h, w): the means over the views of each phase, of heat those of the log probabilities."""
    turned = [torch.rot90(one, -number, (-2, -1)) for one, (_, number) in zip(maps, seen, strict=True)]
    upright = torch.stack([one.flip(-1) if number >= 4 else one for one, (_, number) in zip(turned, seen, strict=True)])
    phases = seen[-1][0] + 1
    if len(seen) == phases:
        return upright
    heat = upright[:, :1].flatten(2).log_softmax(2).view_as(upright[:, :1])
    return torch.cat([heat, upright[:, 1:]], 1).unflatten(0, (phases, -1)).mean(1)


def _middle(image: Tensor, rows: int, columns: int) -> Tensor:
    """(C, H - 2 * rows, W - 2 * columns)."""
    height, width = image.shape[-2:]
    return image[..., rows : height - rows, columns : width - columns]


def _group(images: Sequence[Tensor], numbers: Sequence[int], phase: Sequence[int] | None) -> list[list[int]]:
    """Frames of each slice in the order of their phases, those of another size apart; slices in ascending order."""
    groups: dict[tuple[int, tuple[int, ...]], list[int]] = defaultdict(list)
    for frame in sorted(range(len(images)), key=lambda index: index if phase is None else phase[index]):
        groups[numbers[frame], tuple(images[frame].shape)].append(frame)
    return [groups[key] for key in sorted(groups)]


def _shared_heat(maps: Tensor) -> Tensor:
    """(P, h, w): the mean of the log probabilities of the phases, as a probability, repeated for each phase."""
    mean = maps[:, 0].flatten(1).log_softmax(1).mean(0)
    return mean.softmax(0).view(1, *maps.shape[-2:]).expand(len(maps), -1, -1)


@dataclass(frozen=True, eq=False)
class _Look:
    """One slice: geometry of its views, maps (P, 3, h, w), and the phases of the maps."""

    view: FrameView
    maps: Tensor
    phases: list[int]


@dataclass(frozen=True, eq=False)
class _Place:
    """Center (2,) and radius in pixels of one slice, and the logit of presence of each phase that the network saw."""

    center: Tensor
    radius: float
    logits: list[float]
    moved: bool


def _place(look: _Look, expected: Tensor | None = None, reach: float = 0.0) -> _Place:
    """The best place in a slice; with ``expected`` the best within ``reach`` pixels of it."""
    view, maps = look.view, look.maps
    heat = _shared_heat(maps)
    if expected is not None:
        rows, columns = heat.shape[-2:]
        y, x = torch.meshgrid((torch.arange(rows) + 0.5) / rows, (torch.arange(columns) + 0.5) / columns, indexing="ij")
        distance = (view.to_frame(torch.stack([x, y], -1).double()) - expected).norm(dim=-1)
        near = distance <= reach
        if not bool(near.any()):  # smaller than a cell, or outside the image
            near = distance == distance.min()
        heat = torch.where(near, heat.clamp(min=torch.finfo(heat.dtype).tiny), torch.zeros_like(heat))
    found = decode_regions(maps, heat)
    center = view.to_frame(found.center[0].double())
    radius = float(found.radius.double().log().mean().exp()) * view.side
    return _Place(center, radius, found.presence_logit.tolist(), expected is not None)


def _smooth(values: Sequence[float]) -> list[float]:
    """Averages over neighboring phases of the cycle; the last phase is a neighbor of the first."""
    count, half = len(values), len(SMOOTHING) // 2
    if count < FEWEST_FOR_SMOOTHING:
        return list(values)
    return [
        sum(weight * values[(place + step - half) % count] for step, weight in enumerate(SMOOTHING)) / sum(SMOOTHING)
        for place in range(count)
    ]


def _between(values: Sequence[float], phases: Sequence[int], count: int) -> list[float]:
    """Values at some phases of a cycle to all ``count`` phases, linear between them."""
    return np.interp(np.arange(count), phases, values, period=count).tolist() if count > len(phases) else list(values)


def _check(
    images: Sequence[Tensor],
    slice_index: Sequence[int] | None,
    phase: Sequence[int] | None,
    origins: Sequence[Sequence[float]] | None,
    spacing: Sequence[Sequence[float] | None] | None,
) -> None:
    if not images:
        raise ValueError("Expected at least one image, but got none: is the series empty?")
    shapes = {tuple(image.shape) for image in images if image.ndim != 3 or image.shape[0] != 1}
    if shapes:
        raise ValueError(
            f"Expected images (1, H, W), but got {sorted(shapes)}: use EnsureChannelFirstd and CheckImaged."
        )
    named = {"slice_index": slice_index, "phase": phase, "origins": origins, "spacing": spacing}
    for name, values in named.items():
        if values is not None and len(values) != len(images):
            raise ValueError(f"Expected `{name}` to have one entry per image, but got {len(values)} for {len(images)}.")
    if slice_index is None and phase is not None:
        raise ValueError("Expected `slice_index` with `phase`: pass zeros where all images are of one slice.")
    if origins is not None and any(len(origin) != 3 or not all(map(math.isfinite, origin)) for origin in origins):
        raise ValueError("Expected `origins` to be three finite numbers (x, y, z) per image.")
