# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Pixels of DICOM frames as images: each instance is read once, however many frames it has."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from monai.data.meta_tensor import MetaTensor
from torch import Tensor

from monai_acdr.data import read_mammogram
from monai_acdr.dicom import SourceFrame, read_gray_frames
from monai_acdr.dicom.elements import code
from monai_acdr.read_budget import ReadBudget
from monai_acdr.transforms import CheckImage

__all__ = ["PROJECTIONS", "load_frames", "make_image"]

PROJECTIONS = ("MG", "CR", "DX")
"""Modalities that are read as mammograms: one image per file, no palettes."""

_CHECK = CheckImage()


def load_frames(
    sources: Sequence[SourceFrame],
    progress: Callable[[int, int], None] | None = None,
    unreadable: Callable[[Path, ValueError], None] | None = None,
) -> dict[tuple[str, int], MetaTensor]:
    """Decode frames.

    Args:
        sources: frames, of any instances.
        progress: told (done, all) after each instance.
        unreadable: told of each file that cannot be used, which is left out then; without it that is an error.

    Returns:
        :attr:`SourceFrame.key` -> (1, H, W) float32, values in which larger is brighter
        (:func:`~monai_acdr.dicom.gray.gray_values`), with the affine of the frame.

    Raises:
        ValueError: when an instance has no pixels, colors, or cannot be decoded; or when all of them need more memory
            than the budget.
    """
    on_disk = sum(path.stat().st_size for path in {source.path for source in sources})
    budget = ReadBudget("the series" if len(sources) > 1 else sources[0].path if sources else "the series", on_disk)
    for source in sources:
        budget.add_pixels(source.size)
    by_file: dict[Path, list[SourceFrame]] = {}
    for source in sources:
        by_file.setdefault(source.path, []).append(source)
    images: dict[tuple[str, int], MetaTensor] = {}
    for number, (path, frames) in enumerate(by_file.items(), start=1):
        try:
            images |= _load_file(path, sorted(frames, key=lambda source: source.frame))
        except ValueError as error:
            if unreadable is None:
                raise
            unreadable(path, error)
        if progress is not None:
            progress(number, len(by_file))
    return images


def _load_file(path: Path, frames: Sequence[SourceFrame]) -> dict[tuple[str, int], MetaTensor]:
    if code(frames[0].header, "Modality") in PROJECTIONS:
        return {frames[0].key: make_image(read_mammogram(path, spacing="allow")[0], frames[0].affine)}
    pixels = read_gray_frames(path, [source.frame for source in frames])
    return {source.key: make_image(gray, source.affine) for source, gray in zip(frames, pixels, strict=True)}


def make_image(pixels: np.ndarray, affine: Tensor) -> MetaTensor:
    """One gray frame (H, W) as this package's transforms want it: (1, H, W) float32 with its affine.

    Raises:
        ValueError: when it is not finite or has no pixels.
    """
    values = torch.from_numpy(np.ascontiguousarray(pixels, dtype=np.float32))[None]
    image = MetaTensor(values, affine=affine.clone())
    _CHECK(image)
    return image
