# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Pixels of DICOM frames as images: each instance is decoded once, however many frames it has."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pydicom
import torch
from monai.data.meta_tensor import MetaTensor
from pydicom.dataset import Dataset
from torch import Tensor

from monai_acdr.data import read_mammogram
from monai_acdr.dicom import SourceFrame
from monai_acdr.transforms import CheckImage

__all__ = ["MAX_PIXELS", "PROJECTIONS", "load_frames", "make_image"]

MAX_PIXELS = 1_000_000_000
"""Pixels of one series beyond this are refused: they are all in memory, 4 bytes each."""

PROJECTIONS = ("MG", "CR", "DX")
"""Modalities that are read as mammograms: inverted where bright means air, padding made dark."""

_CHECK = CheckImage()


def load_frames(
    sources: Sequence[SourceFrame], progress: Callable[[int, int], None] | None = None
) -> dict[tuple[str, int], MetaTensor]:
    """Decode frames.

    Args:
        sources: frames, of any instances.
        progress: told (done, all) after each instance.

    Returns:
        :attr:`SourceFrame.key` -> (1, H, W) float32, modality values, with the affine of the frame.

    Raises:
        ValueError: when an instance has no pixels, colours, or cannot be decoded; or for too many pixels.
    """
    pixels = sum(source.size[0] * source.size[1] for source in sources)
    if pixels > MAX_PIXELS:
        raise ValueError(
            f"Expected at most {MAX_PIXELS} pixels in one series, but got {pixels}: choose a series with --series."
        )
    by_file: dict[Path, list[SourceFrame]] = {}
    for source in sources:
        by_file.setdefault(source.path, []).append(source)
    images: dict[tuple[str, int], MetaTensor] = {}
    for number, (path, frames) in enumerate(by_file.items(), start=1):
        stack = _decode(path, frames[0])
        for source in frames:
            images[source.key] = make_image(stack[source.frame - 1], source.affine)
        if progress is not None:
            progress(number, len(by_file))
    return images


def make_image(pixels: np.ndarray, affine: Tensor) -> MetaTensor:
    """One grey frame (H, W) as this package's transforms want it: (1, H, W) float32 with its affine.

    Raises:
        ValueError: when it is not finite or has no pixels.
    """
    values = torch.from_numpy(np.ascontiguousarray(pixels, dtype=np.float32))[None]
    image = MetaTensor(values, affine=affine.clone())
    _CHECK(image)
    return image


def _decode(path: Path, source: SourceFrame) -> np.ndarray:
    """(F, H, W) float32."""
    if str(source.header.get("Modality") or "") in PROJECTIONS:
        return read_mammogram(path, spacing="allow")[0][None]
    dataset, stored = _stored(path, source)
    slope, intercept = (_number(dataset, "RescaleSlope", 1.0), _number(dataset, "RescaleIntercept", 0.0))
    return stored.astype(np.float32) * np.float32(slope) + np.float32(intercept)


def _stored(path: Path, source: SourceFrame) -> tuple[Dataset, np.ndarray]:
    samples = int(source.header.get("SamplesPerPixel") or 1)
    if samples != 1:
        raise ValueError(f"Expected grey images, but {path} has {samples} samples a pixel: it is a colour picture.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset = pydicom.dcmread(path)
            stored = np.asarray(dataset.pixel_array)
    except Exception as error:  # each decoder of pydicom has its own; values are not quoted
        raise ValueError(
            f"Expected pixels that can be decoded, but {path} has none ({type(error).__name__}): install decoders of "
            "compressed images with `pip install 'monai_acdr[dicom]'`; with them the file is damaged, copy it again."
        ) from None
    stored = stored[None] if stored.ndim == 2 else stored
    if stored.shape != (source.num_frames, *source.size):
        raise ValueError(
            f"Expected {source.num_frames} frame(s) of {source.size} (H, W), but the pixels of {path} are "
            f"{stored.shape}: its header is wrong, export it again."
        )
    return dataset, stored


def _number(dataset: Dataset, keyword: str, default: float) -> float:
    try:
        value = float(dataset.get(keyword, default) or default)
    except (TypeError, ValueError):
        return default
    return value if np.isfinite(value) else default
