# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Random views of the objects of a batch: translation, scale, rotation, shape and intensities.

All draw from torch's global generator, on the CPU.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from monai_acdr.geometry import at_least_float32, centroid, pixel_to_normalized

__all__ = [
    "RandAppearance",
    "RandView",
    "RingWarp",
    "View",
    "ViewOptions",
    "draw_log_uniform",
    "draw_some",
    "polar_radii",
    "similarity",
    "standardize",
    "unit_points",
]


def draw_log_uniform(batch: int, low: float, high: float) -> Tensor:
    """(B,) numbers whose logarithm is uniform: halving is as likely as doubling."""
    return torch.exp(torch.rand(batch) * (math.log(high) - math.log(low)) + math.log(low))


def draw_some(like: Tensor, low: float, high: float, prob: float) -> Tensor:
    """(B, 1, 1, 1) uniform numbers, 0 in all but a share of the batch; dtype and device of ``like`` (B, ...)."""
    shape = (len(like), 1, 1, 1)
    drawn = torch.rand(shape) * (high - low) + low
    return (drawn * (torch.rand(shape) < prob)).to(like)


def similarity(turn: Tensor, flip: Tensor, stretch: Tensor) -> Tensor:
    """(B, 2, 2) from places in a view to places in its image: a turn, with a mirror image and a little stretch.

    Args:
        turn: (B,) in radians.
        flip: (B,) 1, or -1 for a mirror image.
        stretch: (B,) factor along x, and its inverse along y.
    """
    cos, sin = torch.cos(turn), torch.sin(turn)
    first = torch.stack([cos * flip * stretch, -sin / stretch], -1)
    second = torch.stack([sin * flip * stretch, cos / stretch], -1)
    return torch.stack([first, second], 1)


def unit_points(size: int, like: Tensor) -> Tensor:
    """(1, size * size, 2), (x, y) of the pixels of a view in its sides, from its middle, row by row."""
    line = (torch.arange(size, dtype=like.dtype, device=like.device) + 0.5) / size - 0.5
    y, x = torch.meshgrid(line, line, indexing="ij")
    return torch.stack([x, y], -1).view(1, -1, 2)


def polar_radii(contours: Tensor, centers: Tensor, num_angles: int = 72) -> Tensor:
    """Distance from a center to a contour in each of equally spaced directions.

    Args:
        contours: (B, P, 2) in pixels; NaN where a contour is missing.
        centers: (B, 2) in the same pixels.
        num_angles: A, directions at 2 pi a / A, counted from +x toward +y.

    Returns:
        (B, A) of the contours' dtype, float32 at least. Exact for polygons that are star-shaped about the center; of
        others the farthest crossing of a ray is taken, and 0 where a ray meets none. NaN where a contour is.
    """
    offset = at_least_float32(contours) - at_least_float32(centers)[:, None]
    start, edge = offset[:, None], (offset.roll(-1, 1) - offset)[:, None]  # (B, 1, P, 2)
    angles = torch.arange(num_angles, dtype=offset.dtype, device=offset.device) * (2 * math.pi / num_angles)
    ray = torch.stack([torch.cos(angles), torch.sin(angles)], -1)[None, :, None]  # (1, A, 1, 2)
    # start + s edge = t ray, by Cramer's rule
    across = edge[..., 0] * ray[..., 1] - edge[..., 1] * ray[..., 0]
    parallel = across == 0
    across = torch.where(parallel, torch.ones_like(across), across)
    along = (start[..., 1] * ray[..., 0] - start[..., 0] * ray[..., 1]) / across
    distance = (start[..., 1] * edge[..., 0] - start[..., 0] * edge[..., 1]) / across
    # half open, so that a ray through a vertex meets one of its two edges; a little wider against rounding
    meets = ~parallel & (along >= -1e-6) & (along <= 1 + 1e-6) & (distance > 0)
    radii = torch.where(meets, distance, torch.zeros_like(distance)).amax(-1)
    missing = contours.isnan().flatten(1).any(1)
    return torch.where(missing[:, None], torch.full_like(radii, math.nan), radii)


class RingWarp:
    """Move each contour of a nest along the rays from a center, and everything between them in proportion.

    In each direction, distances from the center are interpolated linearly between those of the contours, ``before``
    the warp and ``after`` it. From ``far`` on nothing moves.

    Args:
        before: (B, N, A) distances of the contours, ascending over N, positive, as :func:`polar_radii` gives them.
        after: (B, N, A) target distances of the contours, ascending over N, positive.
        far: (B, A), greater than the last of both.
    """

    def __init__(self, before: Tensor, after: Tensor, far: Tensor) -> None:
        if before.ndim != 3 or before.shape != after.shape or far.shape != (len(before), before.shape[-1]):
            raise ValueError(
                f"Expected `before` and `after` (B, N, A) and `far` (B, A), but got {tuple(before.shape)}, "
                f"{tuple(after.shape)} and {tuple(far.shape)}."
            )
        zero = torch.zeros_like(before[:, :1])
        self.before = torch.cat([zero, before, far[:, None]], 1)
        self.after = torch.cat([zero, after, far[:, None]], 1)

    def sources(self, offsets: Tensor) -> Tensor:
        """Inverse warp: (B, M, 2) offsets from the center in the warped image to offsets in the image."""
        return self._move(offsets, self.after, self.before)

    def targets(self, offsets: Tensor) -> Tensor:
        """Forward warp: (B, M, 2) offsets from the center in the image to offsets in the warped image."""
        return self._move(offsets, self.before, self.after)

    def radius(self, offsets: Tensor, ring: int) -> Tensor:
        """(B, M): distance of contour ``ring`` of the warped image from the center, in the direction of each offset."""
        return _lookup(self.after[:, ring + 1], offsets)

    @staticmethod
    def _move(offsets: Tensor, start: Tensor, end: Tensor) -> Tensor:
        distance = torch.linalg.vector_norm(offsets, dim=-1)
        moved = distance
        for ring in range(start.shape[1] - 1):
            low, high = _lookup(start[:, ring], offsets), _lookup(start[:, ring + 1], offsets)
            to_low, to_high = _lookup(end[:, ring], offsets), _lookup(end[:, ring + 1], offsets)
            between = to_low + (distance - low) * (to_high - to_low) / (high - low).clamp(min=1e-6)
            moved = torch.where((distance >= low) & (distance < high), between, moved)
        return offsets * (moved / distance.clamp(min=1e-6))[..., None]


def _lookup(table: Tensor, offsets: Tensor) -> Tensor:
    """Values (B, A) around the circle, linear in the angle, at the directions of (B, M, 2): (B, M)."""
    number = table.shape[1]
    place = torch.atan2(offsets[..., 1], offsets[..., 0]) / (2 * math.pi) * number % number
    low = place.floor()
    first = low.long() % number
    value, following = table.gather(1, first), table.gather(1, (first + 1) % number)
    return value + (place - low) * (following - value)


class RandAppearance:
    """Contrast between structures, gamma, bias field, resolution and noise of each image of a batch, in this order.

    Draws from torch's global generator (``torch.manual_seed``), as dropout does.

    Args:
        wall: smallest and largest share of the contrast between the first ring and the second that is added to the
            second: at 1 the wall is as bright as the blood.
        blood: smallest and largest share of the same contrast that is subtracted from the first ring.
        gamma: largest |log gamma|.
        bias: largest coefficient of a second-order polynomial, the logarithm of the bias field.
        noise: largest standard deviation, in units of the image's range between its 1st and 99.5th percentile.
        prob: probability of gamma, and of a bias field; the other changes have half of it.
    """

    def __init__(
        self,
        wall: tuple[float, float] = (-0.15, 0.6),
        blood: tuple[float, float] = (-0.2, 0.35),
        gamma: float = 0.5,
        bias: float = 0.4,
        noise: float = 0.08,
        prob: float = 0.6,
    ) -> None:
        if not 0 <= prob <= 1:
            raise ValueError(f"Expected `prob` to be a probability, but got {prob}.")
        self.wall, self.blood = wall, blood
        self.gamma, self.bias, self.noise, self.prob = gamma, bias, noise, prob

    def __call__(self, image: Tensor, first: Tensor, second: Tensor) -> Tensor:
        """Change intensities.

        Args:
            image: (B, 1, H, W) floating point, or (B, 3, H, W) of colors, which are changed alike except for noise.
            first: (B, 1, H, W) soft mask in [0, 1] of the inside of the innermost contour.
            second: (B, 1, H, W) soft mask in [0, 1] of the ring around it.

        Returns:
            (B, C, H, W), at least 0 and about 1 at its brightest.
        """
        low, high = _quantiles(image)
        image = ((image - low) / (high - low).clamp(min=1e-6)).clamp(0, 1.5)
        contrast = _mean(image, first) - _mean(image, second)
        image = image + second * contrast * draw_some(image, *self.wall, self.prob * 5 / 6)
        image = (image - first * contrast * draw_some(image, *self.blood, self.prob / 2)).clamp(min=1e-4)
        image = image ** torch.exp(draw_some(image, -self.gamma, self.gamma, self.prob))
        image = image * torch.exp(self._bias_field(image))
        image = self._blurred(image)
        noise = draw_some(image, 0, self.noise, self.prob * 5 / 6)
        return image + noise * torch.randn(image.shape).to(image)

    def _bias_field(self, image: Tensor) -> Tensor:
        rows, columns = image.shape[-2:]
        y = torch.linspace(-1, 1, rows).to(image)[:, None]
        x = torch.linspace(-1, 1, columns).to(image)
        on = (torch.rand(len(image), 1, 1, 1) < self.prob).to(image)
        terms = (x + 0 * y, y + 0 * x, x * y, x * x - y * y, x * x + y * y)
        drawn = [(torch.rand(len(image), 1, 1, 1).to(image) * 2 - 1) * self.bias for _ in terms]
        return on * torch.stack([weight * term for weight, term in zip(drawn, terms, strict=True)]).sum(0)

    def _blurred(self, image: Tensor) -> Tensor:
        on = (torch.rand(len(image), 1, 1, 1) < self.prob / 2).to(image)
        weight = torch.rand(len(image), 1, 1, 1).to(image)
        smooth = F.avg_pool2d(F.pad(image, (1, 1, 1, 1), mode="replicate"), 3, 1)
        coarse = F.interpolate(image, scale_factor=0.5, mode="area", recompute_scale_factor=False)
        coarse = F.interpolate(coarse, size=image.shape[-2:], mode="bilinear")
        return image + on * (weight * smooth + (1 - weight) * coarse - image)


def _quantiles(image: Tensor) -> tuple[Tensor, Tensor]:
    levels = torch.tensor([0.01, 0.995], dtype=image.dtype, device=image.device)
    low, high = torch.quantile(image.flatten(1), levels, dim=1)[..., None, None, None]
    return low, high


def _mean(image: Tensor, weight: Tensor) -> Tensor:
    """Weighted mean (B, 1, 1, 1); 0 where nothing has weight."""
    return (image * weight).sum((1, 2, 3), keepdim=True) / weight.sum((1, 2, 3), keepdim=True).clamp(min=1)


ANCHORS = ("contour", "image")


_WARP_REACH = 1.6
"""Nothing is warped from this multiple of the outermost contour's distance on."""


_THINNEST = 0.07
"""A wall keeps at least this share of the outer contour's distance."""


_SOFT_BORDER = 0.0067
"""Width of the border of the soft masks, in sides of the view."""


@dataclass(frozen=True, eq=False)
class View:
    """Views of the objects of a batch.

    Attributes:
        image: (B, C, size, size), mean 0 and variance 1 up to the last change of intensities.
        contours: (B, N, P, 2) in pixels of the views; NaN where missing.
    """

    image: Tensor
    contours: Tensor


@dataclass(frozen=True)
class ViewOptions:
    """Ranges and probabilities from which :class:`RandView` draws its views.

    Attributes:
        scale: smallest and largest factor on the side of the region, log-uniform.
        scales: factors to choose from instead, such as :data:`monai_acdr.transforms.PAPER_SCALES`.
        shift: largest shift along x and y, in sides of the region.
        shift_prob: probability of such a shift; other views are shifted by at most 0.03.
        angle: largest turn in degrees.
        angles: turns in degrees to choose from instead, such as :data:`monai_acdr.transforms.PAPER_ANGLES`.
        flip_prob: probability of a mirrored view.
        stretch: largest |log| of the factor along x, its inverse along y.
        warp_prob: probability of a radial warp.
        cavity: smallest and largest factor on the innermost contour.
        tiny: share of the warps whose factor is drawn from the lower part, up to 0.45.
        bend: largest relative difference of that factor between two perpendicular directions.
        wall: thickness of the wall around the innermost contour, in sides of the region, where no further contour is
            known.

    Raises:
        ValueError: for a range that is not 0 < smallest <= largest.
    """

    scale: tuple[float, float] = (0.7, 1.45)
    scales: Sequence[float] | None = None
    shift: float = 0.12
    shift_prob: float = 0.5
    angle: float = 180.0
    angles: Sequence[float] | None = None
    flip_prob: float = 0.5
    stretch: float = 0.1
    warp_prob: float = 0.6
    cavity: tuple[float, float] = (0.12, 1.2)
    tiny: float = 0.35
    bend: float = 0.3
    wall: float = 0.08

    def __post_init__(self) -> None:
        for name, (low, high) in (("scale", self.scale), ("cavity", self.cavity)):
            if not 0 < low <= high:
                raise ValueError(f"Expected `{name}` to be 0 < smallest <= largest, but got ({low}, {high}).")


class RandView:
    """Cut a random view about the object of each image, warp it between its contours, and change its intensities.

    The order for each image: the radial warp (:class:`RingWarp`) changes the size of the innermost contour, down to a
    slit, and of the outermost one, so that thick walls about small cavities occur, which are rare among patients; a
    similarity with a little stretch places the view; image and contours go through both with ONE interpolation;
    :class:`RandAppearance` follows. Draws from torch's global generator.

    Args:
        size: of the views in pixels.
        side: of the region in pixels of the images, before ``scale``.
        appearance: :class:`RandAppearance`, or None to leave intensities as they are.
        anchor: "contour" places views about the innermost contour's centroid; "image" about the middle of the image,
            for images that are cut about their regions already. Contours are then not warped, may all be missing, and
            the contrast of walls is left as it is: nothing is assumed about the shape of the object.
        options: ranges and probabilities of scale, shift, rotation and warp.
        **shortcuts: fields of :class:`ViewOptions` by their names, instead of those of ``options``.

    Raises:
        ValueError: for another anchor, and for sizes or ranges that cannot be drawn from.
        TypeError: for a shortcut that is not a field of ViewOptions.

    Example:
        >>> view = RandView(96, 100)(images, contours)  # (B, 1, H, W) and (B, 2, P, 2)
        >>> view.image.shape, view.contours.shape
        (torch.Size([16, 1, 96, 96]), torch.Size([16, 2, 128, 2]))
    """

    def __init__(
        self,
        size: int = 96,
        side: float = 100.0,
        *,
        appearance: RandAppearance | None = None,
        anchor: str = "contour",
        options: ViewOptions | None = None,
        **shortcuts: Any,
    ) -> None:
        if anchor not in ANCHORS:
            raise ValueError(f"Expected `anchor` to be one of {ANCHORS}, but got {anchor!r}.")
        if size < 2 or not side > 0:
            raise ValueError(f"Expected `size` of at least 2 pixels and a positive `side`, but got {size} and {side}.")
        self.size, self.side = size, side
        self.appearance = appearance
        self.anchor = anchor
        self.options = replace(options or ViewOptions(), **shortcuts)

    def __call__(self, image: Tensor, contours: Tensor) -> View:
        """Make one view of each image.

        Args:
            image: (B, 1, H, W) floating point, or (B, 3, H, W) of colors, which are changed alike.
            contours: (B, N, P, 2) in its pixels, innermost first, NaN where missing. With the anchor "contour" the
                first one is never missing.

        Raises:
            ValueError: for other shapes, or a missing first contour.
        """
        _check(image, contours, self.anchor)
        image = at_least_float32(image)
        contours = contours.to(image)
        warp = None
        if self.anchor == "contour":
            centers = centroid(contours[:, 0])
            warp = self._warp(contours, centers)
        else:
            centers = image.new_tensor([image.shape[-1] / 2, image.shape[-2] / 2]).expand(len(image), 2)
        matrix, shift = self._place(image)
        unit = unit_points(self.size, image)  # (1, M, 2) in sides
        offsets = unit @ matrix.transpose(1, 2) + shift[:, None]
        sources = centers[:, None] + (offsets if warp is None else warp.sources(offsets))
        grid = pixel_to_normalized(sources, (image.shape[-2], image.shape[-1]))
        grid = grid.view(len(image), self.size, self.size, 2)
        crop = F.grid_sample(image, grid, padding_mode="border", align_corners=False)
        if self.appearance is not None:
            crop = self.appearance(crop, *self._rings(warp, offsets))
        crop = standardize(crop)
        if self.appearance is not None:
            crop = crop * _uniform(crop, 0.8, 1.2) + _uniform(crop, -0.2, 0.2)
        points = contours.flatten(1, 2) - centers[:, None]
        points = points if warp is None else warp.targets(points)
        moved = (points - shift[:, None]) @ torch.linalg.inv(matrix).transpose(1, 2)
        return View(crop, (moved.view_as(contours) + 0.5) * self.size)

    def _warp(self, contours: Tensor, centers: Tensor) -> RingWarp:
        options = self.options
        radii = [polar_radii(contours[:, 0], centers).clamp(min=0.5)]
        for ring in range(1, contours.shape[1]):
            guess = radii[-1] + options.wall * self.side
            known = polar_radii(contours[:, ring], centers)
            radii.append(torch.maximum(torch.where(known.isnan(), guess, known), radii[-1] + 1))
        if len(radii) == 1:
            radii.append(radii[0] + options.wall * self.side)
        before = torch.stack(radii, 1)
        batch, rings, angles = before.shape
        on = torch.rand(batch, 1) < options.warp_prob
        typical = draw_log_uniform(batch, max(min(0.45, options.cavity[1]), options.cavity[0]), options.cavity[1])
        small = torch.rand(batch) * max(0.45 - options.cavity[0], 0) + options.cavity[0]
        factor = torch.where(torch.rand(batch) < options.tiny, small, typical)[:, None]
        turns = torch.arange(angles) * (2 * math.pi / angles) - torch.rand(batch, 1) * math.pi
        factor = factor * (1 + options.bend * torch.rand(batch, 1) * torch.cos(2 * turns))
        factor = torch.where(on, factor, torch.ones(1)).to(before)
        outer = torch.where(on, draw_log_uniform(batch, 0.88, 1.12)[:, None], torch.ones(1)).to(before) * before[:, -1]
        after = [outer]
        for ring in range(rings - 2, -1, -1):
            share = ring / (rings - 1)  # those between go part of the way
            requested = before[:, ring] * (factor * (1 - share) + share * outer / before[:, -1])
            after.insert(0, torch.minimum(requested, (1 - _THINNEST) * after[0]))
        unmoved = ~on.to(before.device)[:, None]
        target = torch.where(unmoved, before, torch.stack(after, 1))
        return RingWarp(before, target, _WARP_REACH * torch.maximum(before[:, -1], target[:, -1]))

    def _place(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Matrix (B, 2, 2) from sides of the view to pixels of the image, and shift (B, 2) in pixels."""
        batch, options = len(image), self.options
        factor = draw_log_uniform(batch, *options.scale) if options.scales is None else _choose(batch, options.scales)
        side = self.side * factor
        turn = (torch.rand(batch) * 2 - 1) * options.angle if options.angles is None else _choose(batch, options.angles)
        turn = torch.deg2rad(turn)
        flip = torch.where(torch.rand(batch) < options.flip_prob, -1.0, 1.0)
        stretch = torch.exp((torch.rand(batch) * 2 - 1) * options.stretch)
        reach = torch.where(torch.rand(batch, 1) < options.shift_prob, options.shift, min(0.03, options.shift))
        shift = (torch.rand(batch, 2) * 2 - 1) * reach * side[:, None]
        return (similarity(turn, flip, stretch) * side[:, None, None]).to(image), shift.to(image)

    def _rings(self, warp: RingWarp | None, offsets: Tensor) -> tuple[Tensor, Tensor]:
        """Soft masks of the inside of the first contour and of the ring about it; empty ones without a warp."""
        if warp is None:
            empty = offsets.new_zeros(len(offsets), 1, self.size, self.size)
            return empty, empty
        distance = torch.linalg.vector_norm(offsets, dim=-1)
        inside = [
            torch.sigmoid((warp.radius(offsets, ring) - distance) / (_SOFT_BORDER * self.side)) for ring in (0, 1)
        ]
        first, second = (each.view(len(offsets), 1, self.size, self.size) for each in inside)
        return first, (second - first).clamp(min=0)


def standardize(image: Tensor) -> Tensor:
    """(B, C, H, W) with mean 0 and variance 1 in each image, as MONAI's NormalizeIntensity does."""
    mean, deviation = image.mean((1, 2, 3), keepdim=True), image.std((1, 2, 3), keepdim=True, correction=0)
    return (image - mean) / torch.where(deviation > 0, deviation, torch.ones_like(deviation))


def _check(image: Tensor, contours: Tensor, anchor: str) -> None:
    if image.ndim != 4 or image.shape[1] not in (1, 3) or not image.is_floating_point():
        raise ValueError(
            f"Expected `image` to be floating point (B, 1, H, W), or (B, 3, H, W) of colors, but got "
            f"{tuple(image.shape)}."
        )
    if contours.ndim != 4 or contours.shape[0] != len(image) or contours.shape[-1] != 2 or contours.shape[1] < 1:
        raise ValueError(
            f"Expected `contours` to be ({len(image)}, N, P, 2), one nest per image, but got {tuple(contours.shape)}."
        )
    if anchor == "contour" and not bool(torch.isfinite(contours[:, 0]).all()):
        raise ValueError("Expected the first contour of every image, but one is missing or not finite: leave it out.")


def _choose(batch: int, values: Sequence[float]) -> Tensor:
    return torch.tensor([float(value) for value in values])[torch.randint(len(values), (batch,))]


def _uniform(image: Tensor, low: float, high: float) -> Tensor:
    return (torch.rand(len(image), 1, 1, 1) * (high - low) + low).to(image)
