# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Images of the server: their frames, and the voxel grid that clients see, which label maps go back to."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from monai_acdr.apps.inputs import Frame, Inputs, read_inputs, volume_inputs
from monai_acdr.apps.monailabel.nrrd_files import is_nrrd, read_nrrd
from monai_acdr.data.nifti import NiftiVolume, check_grid, is_nifti, read_nifti
from monai_acdr.dicom import SourceFrame

__all__ = ["ImageCache", "LabelImage", "read_label_image"]

CACHED_PIXELS = 100_000_000
"""Pixels of images that are kept decoded: 400 MB."""

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class LabelImage:
    """An image as the server works on it.

    Attributes:
        inputs: its frames.
        places: (slice, phase) of each frame on the grid.
        shape: (X, Y, Z) or (X, Y, Z, T) of the grid, voxels; pictures have Z = 1.
        affine: (4, 4) voxel index (column, row, slice) to RAS mm, as clients understand the file.
        is_picture: PNG, JPEG and such: there is no place in a patient.
    """

    inputs: Inputs
    places: tuple[tuple[int, int], ...]
    shape: tuple[int, ...]
    affine: np.ndarray
    is_picture: bool = False

    @property
    def num_phases(self) -> int:
        """T."""
        return self.shape[3] if len(self.shape) > 3 else 1

    def frames_of(self, number: int, phase: int | None) -> list[int]:
        """Indices of the frames of a slice: of one phase, or of all (None)."""
        return [i for i, (z, t) in enumerate(self.places) if z == number and phase in (None, t)]

    @property
    def sources(self) -> list[SourceFrame]:
        """The DICOM frames; empty for other images."""
        return self.inputs.sources

    @property
    def num_pixels(self) -> int:
        """Of all frames."""
        return sum(frame.size[0] * frame.size[1] for frame in self.inputs.frames)


def read_label_image(path: Path, series: Path | None = None, order: Sequence[Path] = ()) -> LabelImage:
    """Read an image.

    Args:
        path: NIfTI, NRRD, picture or DICOM file, or a folder of one DICOM series.
        series: for a NIfTI volume that was made from DICOM the folder of that series: pixels and places are taken from
            there (mammograms are inverted and cut as in training, results can refer to the images), the grid is that
            of the volume.
        order: files of that series, in the order of the volume's slices.

    Raises:
        FileNotFoundError: when there is no such path.
        ValueError: when it is no such image, or is damaged.
    """
    if series is not None and is_nifti(path):
        return _converted(path, series, order)
    if is_nifti(path):
        inputs = read_inputs(path)
        return _of_volume(inputs)
    if is_nrrd(path):
        voxels, affine = read_nrrd(path)
        findings = tuple(check_grid(path, affine, voxels.shape))
        return _of_volume(volume_inputs(NiftiVolume.from_voxels(voxels, affine, findings=findings)))
    inputs = read_inputs(path)
    frames = inputs.frames
    if len({frame.size for frame in frames}) != 1:
        raise ValueError("Expected images of one size, but got several: give each size a folder of its own.")
    (height, width), places = frames[0].size, tuple((index, 0) for index in range(len(frames)))
    affine = _stack_affine(frames)
    return LabelImage(inputs, places, (width, height, len(frames)), affine, inputs.kind == "pictures")


def _of_volume(inputs: Inputs) -> LabelImage:
    volume = inputs.volume
    assert volume is not None
    shape = (*volume.shape, 1)[:3] if len(volume.shape) < 3 else volume.shape
    return LabelImage(inputs, tuple(volume.places), shape, volume.file_affine)


def _converted(path: Path, series: Path, order: Sequence[Path]) -> LabelImage:
    """The grid of the volume, the frames of the series in the order of the grid's slices."""
    volume = read_nifti(path)
    inputs = read_inputs(series)
    by_file: dict[Path, list[Frame]] = {}
    for frame in inputs.frames:
        assert frame.source is not None
        by_file.setdefault(frame.source.path.resolve(), []).append(frame)
    for frames in by_file.values():
        frames.sort(key=lambda frame: frame.source.frame if frame.source else 0)
    files = [file.resolve() for file in order] or list(by_file)
    ordered = [frame for file in files for frame in by_file.get(file, [])]
    width, height, *rest = volume.shape
    if len(ordered) != int(np.prod(rest)) or any(frame.size != (height, width) for frame in ordered):
        _logger.warning("A volume has not the frames of its DICOM series: the volume alone is used.")
        return read_label_image(path)
    inputs = replace(inputs, frames=ordered)
    places = tuple((index, 0) for index in range(len(ordered)))
    return LabelImage(inputs, places, (width, height, len(ordered)), volume.file_affine)


def _stack_affine(frames: Sequence[Frame]) -> np.ndarray:
    """Of DICOM frames or pictures: index (column, row, frame) to RAS mm.

    Without a place the image lies as 3D Slicer puts pictures: columns to the left, rows to the back.
    """
    source = frames[0].source
    if source is None or not source.has_place:
        rows, columns = frames[0].spacing or (1.0, 1.0)
        return np.diag([-columns, -rows, 1.0, 1.0])
    affine = source.affine.numpy()[:, [1, 0, 2, 3]].astype(np.float64)
    normal = np.cross(affine[:3, 0], affine[:3, 1])
    affine[:3, 2] = normal / np.linalg.norm(normal)
    last = frames[-1].source
    if last is not None and last.has_place:
        step = (last.affine.numpy()[:3, 3] - affine[:3, 3]) / max(len(frames) - 1, 1)
        if np.linalg.norm(step) > 1e-3:
            affine[:3, 2] = step
    return affine


class ImageCache:
    """Decoded images, the latest ones, as long as their files do not change. Safe for threads.

    Args:
        max_pixels: of all images that are kept; a larger one is not kept at all.
    """

    def __init__(self, max_pixels: int = CACHED_PIXELS) -> None:
        self.max_pixels = max_pixels
        self._images: OrderedDict[tuple[str, int, int], LabelImage] = OrderedDict()
        self._lock = threading.Lock()

    def read(
        self, path: Path, series: Path | None = None, order: Callable[[Path], Sequence[Path]] | None = None
    ) -> LabelImage:
        """As :func:`read_label_image`; ``order`` is asked for the files of ``series`` when they have to be read."""
        status = path.stat()
        key = (str(path), status.st_mtime_ns, status.st_size)
        with self._lock:
            if key in self._images:
                self._images.move_to_end(key)
                return self._images[key]
        files = order(series) if series is not None and order is not None else ()
        image = read_label_image(path, series, files)
        if path.is_dir() or image.num_pixels > self.max_pixels:  # a folder's time tells nothing of its files
            return image
        with self._lock:
            self._images[key] = image
            while sum(each.num_pixels for each in self._images.values()) > self.max_pixels:
                self._images.popitem(last=False)
        return image
