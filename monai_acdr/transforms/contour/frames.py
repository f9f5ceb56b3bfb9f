# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Pixel frames of contours: the pixels of the present image, or of its file."""

from __future__ import annotations

from typing import Any

import torch
from monai.data.meta_tensor import MetaTensor
from monai.utils.enums import MetaKeys
from torch import Tensor

__all__ = ["check_same_frame", "file_grid", "file_name", "plain_vertices", "present_grid", "vertices_in"]

AFFINE_TOLERANCE = 1e-4
"""Largest difference, in mm, between the entries of two affines that count as the same frame."""


def present_grid(image: Tensor) -> tuple[tuple[int, int], Tensor]:
    """Size (H, W) and affine of an image (C, H, W) as it will be when its pending operations are done.

    Raises:
        ValueError: when the image is not a MetaTensor.
    """
    if not isinstance(image, MetaTensor):
        raise ValueError(
            f"Expected a MetaTensor image, but got {type(image).__name__}: its affine says where its pixels lie; "
            "load it with LoadImaged and keep MONAI's metadata tracking on."
        )
    height, width = image.peek_pending_shape()
    return (int(height), int(width)), image.peek_pending_affine()


def file_grid(image: Tensor) -> tuple[tuple[int, int], Tensor]:
    """Size (H, W) and affine of the image's file, from its metadata ``spatial_shape`` and ``original_affine``.

    Raises:
        ValueError: when the metadata lack them.
    """
    meta = image.meta if isinstance(image, MetaTensor) else {}
    shape, affine = meta.get(MetaKeys.SPATIAL_SHAPE), meta.get(MetaKeys.ORIGINAL_AFFINE)
    if shape is None or affine is None or len(shape) != 2:
        raise ValueError(
            "Expected an image whose metadata have a 2-D `spatial_shape` and an `original_affine`, but "
            f"{file_name(image)} has {shape} and {affine}: put CheckImaged after LoadImaged and EnsureChannelFirstd."
        )
    return (int(shape[0]), int(shape[1])), torch.as_tensor(affine)


def vertices_in(vertices: Tensor, affine: Tensor) -> MetaTensor:
    """Vertices as a MetaTensor that carries the affine of the frame it is given in."""
    return MetaTensor(plain_vertices(vertices), affine=affine, meta={})


def plain_vertices(vertices: Tensor) -> Tensor:
    """Vertices without metadata."""
    return vertices.as_tensor() if isinstance(vertices, MetaTensor) else vertices


def check_same_frame(vertices: Tensor, affine: Tensor) -> None:
    """Raise a ValueError when vertices carry another affine than the image they are to be drawn into."""
    if not isinstance(vertices, MetaTensor) or vertices.affine is affine:
        return
    own = vertices.affine.to("cpu", torch.float64)
    if own.shape != affine.shape or not torch.allclose(own, affine.to(own), rtol=0, atol=AFFINE_TOLERANCE):
        raise ValueError(
            f"Expected vertices in the frame with affine {affine.tolist()}, but they carry {own.tolist()}: "
            "use FollowImaged to bring them into the image's present pixels, ContourToImaged into those of its file."
        )


def file_name(image: Any) -> str:
    """Base name of the image's file, for messages: folders may hold a patient's name."""
    name = image.meta.get("filename_or_obj") if isinstance(image, MetaTensor) else None
    return str(name).replace("\\", "/").rsplit("/", 1)[-1] if name else "the image"
