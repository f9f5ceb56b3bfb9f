# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Contours of images in memory: arrays, tensors and MetaTensors, processed as by `monai-acdr segment`."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.data.meta_tensor import MetaTensor
from torch import Tensor

from monai_acdr.apps.documents import ContourDocument, FrameContours, write_contour_document
from monai_acdr.apps.inputs import Frame, Inputs, make_image
from monai_acdr.apps.measurements import scale_findings
from monai_acdr.apps.model import ContourModel
from monai_acdr.apps.outlines import Outline, outline_frames
from monai_acdr.apps.regions import KINDS, RegionRequest, parse_region
from monai_acdr.dicom import Algorithm, Structure
from monai_acdr.geometry import pixel_spacing, pixel_to_world
from monai_acdr.inferers import spread_in_mm
from monai_acdr.measures import Finding
from monai_acdr.networks.layers import rasterize_polygons

__all__ = ["ImageContours", "ImageLike", "outline_images"]

ImageLike = np.ndarray | Tensor
"""(H, W) or (1, H, W) is one image, (B, 1, H, W) are B images of one size."""

_IMAGE = "(H, W) or (1, H, W) for one image, (B, 1, H, W) for several, or a list of images"
_COLOR_IMAGE = (
    "(3, H, W), (H, W, 3), (H, W) or (1, H, W) for one image, (B, 3, H, W) or (B, 1, H, W) for several, or a list of "
    "images"
)


@dataclass(frozen=True, eq=False)
class ImageContours:
    """The contours of one image: one for each of N structures, from the innermost to the outermost.

    Attributes:
        structures: N names, such as ``("LV endocardium", "LV epicardium")``.
        vertices_px: (N, K, 2) float64, (x, y) = (column, row) in continuous pixels of the image: pixel (c, r) covers
            [c, c + 1) x [r, r + 1). None where nothing is outlined, see `reason`.
        vertices_mm: (N, K, 2) float64, the same vertices in mm from the image's upper left corner, in its plane; None
            where the spacing is not known.
        vertices_world: (N, K, 3) float64 in patient coordinates, mm, LPS; None for images without an affine.
        spread_px: (N, K) float64, spread of the members of an ensemble at each vertex, across the contour, in pixels
            (:func:`monai_acdr.inferers.vertex_spread`); None from a single network.
        confidence: probability that the image shows the object, where it was estimated (ROI ``auto``), otherwise None.
        doubtful: whether the confidence is below the threshold of the model.
        repairs: for each structure the repairs of its contour after the network, from
            :data:`monai_acdr.geometry.REPAIRS`; empty where nothing is outlined.
        findings: reasons why the contours cannot be right, such as a spacing that is not known where pixels of the
            training images cannot be assumed (kind ``implausible_scale``); usually empty.
        reason: why nothing is outlined; empty where something is.
        region: (5,) region of interest (center x, center y, width, height, angle) in pixels, or None.
        size: (H, W) of the image.
        spacing: (between rows, between columns) in mm, or None.
        algorithm: algorithm that made the contours.
    """

    structures: tuple[str, ...]
    vertices_px: np.ndarray | None
    vertices_mm: np.ndarray | None
    vertices_world: np.ndarray | None
    spread_px: np.ndarray | None
    confidence: float | None
    doubtful: bool
    repairs: tuple[tuple[str, ...], ...]
    findings: tuple[Finding, ...]
    reason: str
    region: np.ndarray | None
    size: tuple[int, int]
    spacing: tuple[float, float] | None
    algorithm: Algorithm
    _structures: tuple[Structure, ...]
    _scale: str = ""

    def __repr__(self) -> str:
        """Shapes and names, in one line."""
        names = ", ".join(self.structures)
        height, width = self.size
        if self.vertices_px is None:
            return f"ImageContours({names}: none in {height} x {width} pixels, {self.reason})"
        parts = [f"{len(self.structures)} x {self.vertices_px.shape[1]} vertices in {height} x {width} pixels"]
        if self.spacing is not None:
            parts.append(f"spacing {self.spacing[0]:g} x {self.spacing[1]:g} mm")
        if self.confidence is not None:
            parts.append(f"confidence {self.confidence:.2f}{', doubtful' if self.doubtful else ''}")
        parts += [finding.kind.replace("_", " ") for finding in self.findings]
        return f"ImageContours({names}: {'; '.join(parts)})"

    @property
    def spread_mm(self) -> np.ndarray | None:
        """(N, K) float64 spread in mm; None without a spread or a spacing."""
        if self.spread_px is None or self.vertices_px is None or self.spacing is None:
            return None
        spread, vertices = torch.from_numpy(self.spread_px), torch.from_numpy(self.vertices_px)
        return spread_in_mm(spread, vertices, self.spacing).numpy()

    def mask(self, structure: int | str | None = None) -> np.ndarray:
        """Pixels of which at least half is inside the contour.

        Args:
            structure: index or name of one structure; all if None.

        Returns:
            (N, H, W) bool, or (H, W) for one structure; all False where nothing is outlined.

        Raises:
            ValueError: for a structure that the model does not outline.
        """
        drawn = np.zeros((len(self.structures), *self.size), dtype=bool)
        if self.vertices_px is not None:
            drawn = (rasterize_polygons(torch.from_numpy(self.vertices_px), self.size)[:, 0] >= 0.5).numpy()
        if structure is None:
            return drawn
        index = self.structures.index(structure) if structure in self.structures else structure
        if not isinstance(index, int) or not 0 <= index < len(self.structures):
            raise ValueError(f"Expected `structure` to be an index or one of {self.structures}, but got {structure!r}.")
        return drawn[index]

    def save(self, path: str | os.PathLike[str], name: str = "image", overwrite: bool = False) -> Path:
        """Write a contour document, the format of `contours.json` of `monai-acdr segment` (docs/reference).

        Args:
            path: file to write, usually ``.json``.
            name: name of the image in the document: a plain file name.
            overwrite: replace an existing file.

        Raises:
            FileExistsError: when the file exists and `overwrite` is false.
            ValueError: for a name that is not a plain file name.
        """
        contours = () if self.vertices_px is None else tuple(self.vertices_px)
        frame = FrameContours(
            name,
            self.size,
            contours,
            self.spacing,
            world=None if self.vertices_world is None else tuple(self.vertices_world),
            spread=None if self.spread_px is None else tuple(self.spread_px),
            structures=tuple(range(len(contours))),
            confidence=(self.confidence,) * len(contours),
            doubtful=(self.doubtful,) * len(contours),
            repairs=self.repairs if contours else (),
            scale=self._scale,
        )
        return write_contour_document(path, ContourDocument(self._structures, (frame,), self.algorithm), overwrite)


def outline_images(
    model: ContourModel,
    image: ImageLike | Sequence[ImageLike],
    roi: Any = None,
    spacing: Any = None,
    laterality: str | Sequence[str] = "",
) -> ImageContours | list[ImageContours]:
    """Outline the structures of a model on one or several images; see :meth:`ContourModel.outline`."""
    images, single = _images(image, model.channels == 3)
    number = len(images)
    requests = [_request(item) for item in _per_image(_default_roi(model) if roi is None else roi, number)]
    spacings = _spacings(spacing, images)
    sides = [laterality] * number if isinstance(laterality, str) else list(laterality)
    if len(sides) != number or not set(sides) <= {"", "L", "R"}:
        raise ValueError(f"Expected `laterality` to be 'L', 'R' or '', or one for each image, but got {laterality!r}.")
    frames, affines = [], []
    for index, pixels in enumerate(images):
        affine = _affine(pixels)
        affines.append(affine)
        placed = make_image(_values(pixels), torch.eye(4, dtype=torch.float64) if affine is None else affine)
        frames.append(Frame(f"image-{index + 1:04d}", placed, spacings[index], laterality=sides[index]))
    outlines = outline_frames(requests, Inputs("arrays", frames, []), model, None, none_is_an_error=False)
    results = [_result(model, *parts) for parts in zip(frames, affines, outlines, requests, strict=True)]
    return results[0] if single else results


def _result(
    model: ContourModel, frame: Frame, affine: Tensor | None, outline: Outline, request: RegionRequest
) -> ImageContours:
    final = outline.final
    scale = None if frame.spacing is None else np.array([frame.spacing[1], frame.spacing[0]])
    world = None if final is None or affine is None else pixel_to_world(torch.from_numpy(final), affine).numpy()
    return ImageContours(
        structures=tuple(structure.label for structure in model.structures),
        vertices_px=final,
        vertices_mm=None if final is None or scale is None else final * scale,
        vertices_world=world,
        spread_px=None if final is None else outline.spread,
        confidence=outline.confidence,
        doubtful=outline.doubtful,
        repairs=() if final is None else outline.repairs,
        findings=tuple(scale_findings([frame], [outline.scale], request.kind == "auto")),
        reason=outline.reason,
        region=None if outline.region is None else outline.region.numpy(),
        size=frame.size,
        spacing=frame.spacing,
        algorithm=model.algorithm,
        _structures=model.structures,
        _scale=outline.scale,
    )


def _images(image: ImageLike | Sequence[ImageLike], color: bool) -> tuple[list[ImageLike], bool]:
    """Images (H, W), with `color` also (H, W, 3), and whether the input was a single image."""
    expected = _COLOR_IMAGE if color else _IMAGE
    if isinstance(image, (list, tuple)):
        if len(image) == 0:
            raise ValueError(f"Expected `image` to be {expected}, but got an empty list.")
        parts = [_images(each, color) for each in image]
        if not all(single for _, single in parts):
            shapes = "(H, W), (1, H, W), (3, H, W) or (H, W, 3)" if color else "(H, W) or (1, H, W)"
            raise ValueError(f"Expected a list of single images {shapes}, but one of them is a batch.")
        return [images[0] for images, _ in parts], False
    if not isinstance(image, (np.ndarray, Tensor)):
        hint = ": read the file first, or run monai-acdr segment on it" if isinstance(image, (str, os.PathLike)) else ""
        raise TypeError(
            f"Expected `image` to be an array or a tensor, {expected}, but got {type(image).__name__}{hint}."
        )
    shape = tuple(image.shape)
    if len(shape) == 2:
        return [image], True
    if len(shape) == 3 and shape[0] == 1:
        return [image[0]], True
    if len(shape) == 4 and (shape[1] == 1 or color and shape[1] == 3) and shape[0] > 0:
        return [_item(image, index) for index in range(shape[0])], False
    if color and len(shape) == 3 and 3 in (shape[0], shape[2]):
        return [image if shape[0] != 3 else _channels_last(image)], True
    if len(shape) in (3, 4) and shape[-1] not in (1, 3, 4) and 3 not in shape[:2]:
        raise ValueError(
            f"Expected `image` to be {expected}, but got {shape}, which looks like a volume: pass its slices as a "
            "list, [volume[index] for index in range(len(volume))] with the slices first, or run monai-acdr segment on "
            "the file."
        )
    todo = "leave three channels, red, green and blue" if color else "convert colors to gray values"
    raise ValueError(f"Expected `image` to be {expected}, but got {shape}: {todo}, and put the batch first.")


def _item(image: ImageLike, index: int) -> ImageLike:
    """An image (H, W) of a batch, with its own affine."""
    if not isinstance(image, MetaTensor):
        return image[index, 0] if image.shape[1] == 1 else _channels_last(image[index])
    affine = image.affine[index] if image.affine.ndim == 3 else image.affine
    item = image.as_tensor()[index]
    return MetaTensor(item[0] if len(item) == 1 else item.movedim(0, -1), affine=affine)


def _channels_last(image: ImageLike) -> ImageLike:
    """(3, H, W) to (H, W, 3), with its affine."""
    if isinstance(image, MetaTensor):
        return MetaTensor(image.as_tensor().movedim(0, -1), affine=image.affine)
    return image.movedim(0, -1) if isinstance(image, Tensor) else np.moveaxis(image, 0, -1)


def _values(image: ImageLike) -> np.ndarray:
    """Gray values as an array, whatever their byte order, strides and precision."""
    if isinstance(image, Tensor):
        image = image.detach().cpu()
        values = (image.float() if image.is_floating_point() else image).resolve_conj().resolve_neg().numpy()
    else:
        values = np.asarray(image)
    if values.dtype.kind not in "biuf":
        raise ValueError(f"Expected gray values as whole or real numbers, but got {values.dtype}: convert them.")
    return values


def _affine(image: ImageLike) -> Tensor | None:
    """The affine of a MetaTensor, (4, 4) or (3, 3); None for the identity, which means that none is known."""
    if not isinstance(image, MetaTensor):
        return None
    affine = torch.as_tensor(image.affine).detach().cpu().to(torch.float64)
    return None if torch.equal(affine, torch.eye(len(affine), dtype=torch.float64)) else affine


def _spacings(spacing: Any, images: Sequence[ImageLike]) -> list[tuple[float, float] | None]:
    """(rows, columns) in mm for each image: as given, otherwise from its affine."""
    if spacing is None:
        affines = [_affine(image) for image in images]
        return [None if affine is None else _pair(pixel_spacing(affine).tolist()) for affine in affines]
    try:
        values = np.asarray(spacing.detach().cpu() if isinstance(spacing, Tensor) else spacing)
    except ValueError:  # rows of different lengths
        values = np.asarray(None)
    if values.dtype.kind not in "iuf":
        raise ValueError(
            f"Expected `spacing` to be numbers in mm, one number or (between rows, between columns), but got "
            f"{spacing!r}: pass 1.4 instead of '1.4'."
        )
    values = values.astype(np.float64)
    if values.ndim == 0:
        values = values.repeat(2)
    if values.shape not in ((2,), (len(images), 2)) or not (np.isfinite(values).all() and (values > 0).all()):
        raise ValueError(
            f"Expected `spacing` to be positive mm: one number, (between rows, between columns), or ({len(images)}, 2) "
            f"with a row for each image, but got {values.tolist()}."
        )
    return [_pair(row.tolist()) for row in np.broadcast_to(values, (len(images), 2))]


def _pair(values: Sequence[float]) -> tuple[float, float]:
    return float(values[0]), float(values[1])


def _default_roi(model: ContourModel) -> str:
    if model.localizer is not None:
        return "auto"
    if model.regions.center_side is not None:
        return "center"
    point = "" if model.regions.point_side is None else " or a point (x, y)"
    raise ValueError(
        f"Expected `roi` for {model.name}, which finds no region by itself: give a box (x0, y0, x1, y1){point}, in "
        "pixels."
    )


def _per_image(roi: Any, number: int) -> list[Any]:
    """One region for all images, or one for each."""
    if isinstance(roi, (np.ndarray, Tensor)):
        roi = roi.tolist()
    if isinstance(roi, (str, os.PathLike)) or not isinstance(roi, Sequence):
        return [roi] * number
    if len(roi) > 0 and all(isinstance(value, (int, float, np.number)) for value in roi):  # NaN, too
        return [roi] * number
    if len(roi) > 1 and isinstance(roi[0], str) and roi[0] in KINDS and all(_is_number(value) for value in roi[1:]):
        return [roi] * number  # ("box", x0, y0, x1, y1)
    if len(roi) != number:
        raise ValueError(f"Expected one `roi`, or one for each of {number} image(s), but got {len(roi)}.")
    return list(roi)


def _request(roi: Any) -> RegionRequest:
    """The region of one image."""
    if isinstance(roi, (np.ndarray, Tensor)):
        roi = roi.tolist()
    form = 'expected "center", "auto", a point (x, y) or a box (x0, y0, x1, y1) in pixels'
    numbers = [value for value in roi if isinstance(value, (float, np.floating))] if _is_list(roi) else []
    if not all(map(math.isfinite, numbers)):
        raise ValueError(f"Expected `roi` of finite numbers, but got {list(roi)}: {form}.")
    if isinstance(roi, Sequence) and not isinstance(roi, str) and len(roi) > 0 and all(map(_is_number, roi)):
        kind = {2: "point", 4: "box"}.get(len(roi))
        if kind is None:
            raise ValueError(f"Expected `roi` of 2 or 4 numbers, but got {len(roi)}: {form}.")
        return parse_region((kind, *roi))
    request = parse_region(roi) if isinstance(roi, str) or isinstance(roi, Sequence) and len(roi) > 0 else None
    if request is None or request.kind == "contours":
        raise ValueError(f"Expected `roi` to be a region of an image, but got {roi!r}: {form}.")
    return request


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.number)) and not isinstance(value, bool) and math.isfinite(value)
