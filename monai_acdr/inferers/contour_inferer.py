# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Inference of contours from a ROI: cropping of the network's input, and the contour mapped back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
from monai.data.meta_tensor import MetaTensor
from torch import Tensor

from monai_acdr.geometry import REPAIRS, nest_contours, settle_contours
from monai_acdr.inferers.uncertainty import evolve_members, has_members, vertex_spread
from monai_acdr.networks.nets import ActiveContourNet
from monai_acdr.transforms import ContourToImage

__all__ = ["ContourInferer", "InferredContours"]

_TO_IMAGE = ContourToImage()


class InferredContours(NamedTuple):
    """Contours of one image.

    Attributes:
        contours: (T + 1, K, 2), or (T + 1, N, K, 2) for N structures, float64 in pixels of the image's FILE: ``[0]``
            the initial contours, ``[-1]`` the result.
        spread: (K,) or (N, K) float64, standard deviation over the members of an ensemble across the resulting
            contour, in pixels of the FILE (:mod:`monai_acdr.inferers.uncertainty`); None from one network.
        repairs: for each structure the repairs of its resulting contour, of :data:`monai_acdr.geometry.REPAIRS`;
            empty tuples where the network's contour is unchanged.
    """

    contours: Tensor
    spread: Tensor | None
    repairs: tuple[tuple[str, ...], ...]


class ContourInferer:
    """Evolve the contours of images, in batches.

    Results are (T + 1, K, 2) for a network of one structure, and (T + 1, N, K, 2) for one of several, whose initial
    contours are (B, N, K, 2).

    Args:
        network: in evaluation mode, on its device.
        crop: dictionary transforms from ``image`` (C, H, W), MetaTensor, and ``roi`` (5,), in its present pixels, to
            the network's input ``image`` (C, h, w), MetaTensor: RoiCropd and a normalization, as in training. A list,
            not a Compose, which would wrap errors and write the image's metadata to the log.
        batch_size: crops per forward pass.
        device: device of the network.
        nested: repair the resulting contours so that each structure is within the next one:
            :func:`monai_acdr.geometry.nest_contours`. Earlier iterations stay as they are.

    Example:
        >>> crop = [RoiCropd("image", "roi", (64, 64)), NormalizeIntensityd("image")]
        >>> infer = ContourInferer(network.eval(), crop)
        >>> (contours,) = infer([image], [roi_about_center(image.shape[1:], 112)])
    """

    def __init__(
        self,
        network: ActiveContourNet,
        crop: Sequence[Callable[[Any], Any]],
        batch_size: int = 32,
        device: torch.device | str = "cpu",
        nested: bool = False,
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"Expected `batch_size` to be at least 1, but got {batch_size}.")
        self.network = network
        self.crop = list(crop)
        self.batch_size = batch_size
        self.device = torch.device(device)
        self.nested = nested

    def __call__(self, images: Sequence[MetaTensor], rois: Sequence[Tensor]) -> list[Tensor]:
        """Contours of all iterations.

        Args:
            images: (C, H, W) each, of any size, as :class:`monai_acdr.transforms.CheckImage` leaves them.
            rois: (5,) each, in the present pixels of its image.

        Returns:
            For each image (T + 1, K, 2), or (T + 1, N, K, 2) for N structures, float64 in pixels of its FILE: ``[0]``
            the initial contours, ``[-1]`` the result.

        Raises:
            ValueError: when images and ROIs differ in number, a ROI misses its image, or the network diverges.
        """
        return [inferred.contours for inferred in self._infer(images, rois, False)]

    def outline(self, images: Sequence[MetaTensor], rois: Sequence[Tensor]) -> list[InferredContours]:
        """Contours of all iterations, the spread between the members of an ensemble, and repairs.

        Args:
            images: as for a call.
            rois: as for a call.

        Raises:
            ValueError: as a call.
        """
        return self._infer(images, rois, has_members(self.network))

    def _infer(self, images: Sequence[MetaTensor], rois: Sequence[Tensor], with_spread: bool) -> list[InferredContours]:
        results: list[InferredContours] = []
        for crops, batch in self._batches(images, rois):
            members: Tensor | None = None
            with torch.inference_mode():
                initial = self.network.initial_contour(batch)
                if with_spread:
                    contours, members = evolve_members(self.network, batch, initial)
                else:
                    contours = self.network(batch, initial)
            evolutions, repairs = _settled(initial, contours)
            placed = _in_file(evolutions, crops)
            if self.nested and placed[0].ndim == 4:
                placed, pushed = nest_last(placed)
                repairs[..., REPAIRS.index("nesting")] = pushed
            spreads: list[Tensor | None] = [None] * len(placed)
            if members is not None:
                # members are compared in pixels of the file, since those of a crop may be turned and not square
                lasts = _in_file(members[:, :, -1].transpose(0, 1), crops)
                spreads = [vertex_spread(each[-1], last) for each, last in zip(placed, lasts, strict=True)]
            results += map(InferredContours, placed, spreads, map(_names, repairs))
        return results

    def _batches(
        self, images: Sequence[MetaTensor], rois: Sequence[Tensor]
    ) -> Iterator[tuple[list[MetaTensor], Tensor]]:
        if len(images) != len(rois):
            raise ValueError(f"Expected a ROI for each image, but got {len(images)} images and {len(rois)} ROIs.")
        for start in range(0, len(images), self.batch_size):
            chunk = slice(start, start + self.batch_size)
            crops = [self.cut(image, roi) for image, roi in zip(images[chunk], rois[chunk], strict=True)]
            yield crops, torch.stack([crop.as_tensor() for crop in crops]).to(self.device)

    def cut(self, image: MetaTensor, roi: Tensor) -> MetaTensor:
        """The network's input (C, h, w) for one image and its ROI."""
        data: dict[str, Any] = {"image": image, "roi": roi}
        for transform in self.crop:
            data = transform(data)
        return data["image"]


def _settled(initial: Tensor, contours: Tensor) -> tuple[Tensor, Tensor]:
    """Contours (B, ...) before and (B, T, ...) after each step to (B, T + 1, ...), settled, and (B, N, R) repairs.

    On the CPU, because a GPU would wait at each step.
    """
    initial, contours = initial.cpu(), contours.cpu()
    settled = [settle_contours(evolution) for evolution in contours]
    evolutions = torch.stack(
        [torch.cat([first[None], rest.contours]) for first, rest in zip(initial, settled, strict=True)]
    )
    collapsed = torch.stack([each.collapsed for each in settled]).reshape(len(settled), -1)
    looped = torch.stack([each.looped for each in settled]).reshape(collapsed.shape)
    repairs = torch.zeros(*collapsed.shape, len(REPAIRS), dtype=torch.bool)
    repairs[..., REPAIRS.index("collapse")], repairs[..., REPAIRS.index("self_intersection")] = collapsed, looped
    return evolutions, repairs


def nest_last(contours: Sequence[Tensor]) -> tuple[list[Tensor], Tensor]:
    """Nest the last contours of evolutions.

    Args:
        contours: (T + 1, N, K, 2) for each image.

    Returns:
        The evolutions with nested last contours, and (B, N) bool, which contours were changed for that.
    """
    lasts = torch.stack([each[-1] for each in contours])
    nested = nest_contours(lasts)
    changed = (nested != lasts).flatten(-2).any(-1)
    return [torch.cat([each[:-1], last[None]]) for each, last in zip(contours, nested, strict=True)], changed


def _names(repairs: Tensor) -> tuple[tuple[str, ...], ...]:
    """(N, R) bool to the names of the repairs of each structure."""
    return tuple(tuple(name for name, done in zip(REPAIRS, row, strict=True) if done) for row in repairs.tolist())


def _in_file(contours: Tensor, crops: Sequence[MetaTensor]) -> list[Tensor]:
    """(B, ..., K, 2) in pixels of the crops to (..., K, 2) float64 each in pixels of their files."""
    contours = contours.to("cpu", torch.float64)
    if not bool(torch.isfinite(contours).all()):
        raise ValueError(
            "Expected finite contours, but the network gave NaN or infinity: check that the image has a contrast "
            "inside the region of interest, and the checkpoint."
        )
    return [_TO_IMAGE(each, crop).as_tensor() for each, crop in zip(contours, crops, strict=True)]
