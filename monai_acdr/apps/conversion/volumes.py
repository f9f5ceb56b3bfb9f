# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""NIfTI masks: volumes whose frames are found among DICOM images by their place, and volumes made from frames.

The first axis of a volume that is written runs along the rows of the images, as :class:`ContourWriter` and `segment`
have it; one that is read may have any axes in any direction.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np

from monai_acdr.apps.conversion.content import Frame, Layer, attached
from monai_acdr.apps.frame_names import frame_names
from monai_acdr.data.nifti import NiftiVolume, read_nifti
from monai_acdr.dicom import TISSUE, SourceFrame, Structure
from monai_acdr.dicom.seg import THRESHOLD
from monai_acdr.files import replace_file
from monai_acdr.read_budget import check_pixels

__all__ = ["read_volume", "write_volume"]

SAME_PLACE = 0.05
"""Largest distance in mm between a pixel and a voxel for them to be the same; NIfTI's affines are single precision."""

EVEN_STEPS = 0.02
"""Largest deviation in mm of slices from even steps, to be one volume."""

PARALLEL = 1e-4
"""Largest difference in mm of the steps from pixel to pixel between slices of one volume."""

MAX_LABELS = 255


def read_volume(path: Path, sources: Sequence[SourceFrame]) -> list[Layer]:
    """Read a mask with the values 0 and 1 (or another one), shares in [0, 1], or whole numbers that are labels.

    Args:
        path: ``.nii`` or ``.nii.gz``.
        sources: images to find its voxels on; empty for the volume's own frames.

    Raises:
        ValueError: when it is no such mask, or when its voxels are not those of the images.
    """
    volume = read_nifti(path)
    values = volume.voxels
    if not np.isfinite(values).all() or values.min() < 0:
        raise ValueError(f"Expected a mask of finite values from 0, but {path} has others: is it an image?")
    if values.max() <= 1:
        return [Layer(TISSUE, _frames(path, volume, values, sources))]
    labels = np.unique(values[values > 0])
    if len(labels) == 1:
        return [Layer(TISSUE, _frames(path, volume, (values > 0).astype(np.float32), sources))]
    if len(labels) > MAX_LABELS or (labels != np.round(labels)).any():
        raise ValueError(
            f"Expected a mask or whole-number labels, at most {MAX_LABELS}, but {path} has {len(labels)} different "
            "values: is it an image?"
        )
    return [
        Layer(
            Structure(f"label {int(label)}", TISSUE.category, TISSUE.property_type),
            _frames(path, volume, (values == label).astype(np.float32), sources),
        )
        for label in labels
    ]


def write_volume(path: Path, frames: Sequence[Frame], sources: Sequence[SourceFrame]) -> Path:
    """Write masks, uint8 {0, 1}, or label maps: (columns, rows, slices), of a cine stack also phases.

    Args:
        path: ``.nii`` or ``.nii.gz``.
        frames: with masks of one size, shares of pixels or whole numbers that are labels.
        sources: the images of the whole volume, by slice, then time; frames without a mask stay empty. Without images
            the volume has the given frames; where they tell no place, in their order and 1 mm apart.

    Raises:
        ValueError: when the frames make no volume.
    """
    sizes = {source.size for source in sources} if sources else {frame.size or (1, 1) for frame in frames}
    if len(sizes) != 1:
        raise ValueError(f"Expected frames of one size for a volume, but got {len(sizes)} sizes: write a PNG folder.")
    shape, affine = _grid([_source_plane(source) for source in sources] or [frame.affine for frame in frames], frames)
    height, width = sizes.pop()
    check_pixels(path, (width, height, *shape))
    array = np.zeros((width, height, *shape), dtype=np.uint8)
    keys = {source.key: index for index, source in enumerate(sources)}
    for number, frame in enumerate(frames):
        if frame.mask is not None and frame.mask.any():
            index = keys[str(frame.sop_instance_uid), frame.frame] if sources else number
            place, phase = divmod(index, shape[1])
            labels = np.where(frame.mask > 1, frame.mask, frame.mask >= THRESHOLD)
            array[:, :, place, phase] = labels.T
    with replace_file(path) as temporary:
        nib.save(nib.Nifti1Image(array if shape[1] > 1 else array[..., 0], affine), temporary)
    return path


def _source_plane(source: SourceFrame) -> np.ndarray | None:
    """(4, 4) MONAI affine whose third column is as long as the slice is thick, 1 mm where that is not told."""
    if not source.has_place:
        return None
    plane = source.affine.numpy()
    plane[:3, 2] *= source.thickness or 1.0
    return plane


def _grid(planes: Sequence[np.ndarray | None], frames: Sequence[Frame]) -> tuple[tuple[int, int], np.ndarray]:
    """(slices, phases), and the (4, 4) affine from the voxel index (column, row, slice) to RAS mm."""
    placed = [plane for plane in planes if plane is not None]
    if len(placed) != len(planes):
        scale = np.diag([*(frames[0].spacing or (1.0, 1.0)), 1.0, 1.0])
        return (len(planes), 1), _voxel_affine(scale, None)
    places = np.array([plane[:3, 3] for plane in placed])
    moved = np.linalg.norm(np.diff(places, axis=0), axis=1) > EVEN_STEPS
    starts = [0, *(np.nonzero(moved)[0] + 1).tolist()]
    counts = np.diff([*starts, len(placed)]).tolist()
    if len(set(counts)) != 1:
        raise ValueError(
            f"Expected the same number of phases in each slice, but got {min(counts)} to {max(counts)}: give the "
            "images (--images) of complete slices, or write a PNG folder or SEG."
        )
    if len(starts) == 1:
        return (1, counts[0]), _voxel_affine(placed[0], None)
    slices, axes = places[starts], np.array([plane[:3, :2] for plane in placed])
    step = (slices[-1] - slices[0]) / (len(slices) - 1)
    even = slices[0] + np.arange(len(slices))[:, None] * step
    if np.abs(slices - even).max() > EVEN_STEPS or np.ptp(axes, axis=0).max() > PARALLEL:
        raise ValueError("Expected evenly spaced, parallel slices for a volume: write a PNG folder or SEG.")
    return (len(slices), counts[0]), _voxel_affine(placed[0], step)


def _voxel_affine(plane: np.ndarray, step: np.ndarray | None) -> np.ndarray:
    """Index (column, row, slice) to RAS mm from a MONAI affine of (row, column) and the step between slices."""
    matrix = np.array(plane, dtype=np.float64)[:, [1, 0, 2, 3]]
    if step is None:
        normal = np.cross(matrix[:3, 0], matrix[:3, 1])
        step = normal / np.linalg.norm(normal) * (float(np.linalg.norm(matrix[:3, 2])) or 1.0)
    matrix[:3, 2] = step
    return matrix


def _frames(path: Path, volume: NiftiVolume, values: np.ndarray, sources: Sequence[SourceFrame]) -> tuple[Frame, ...]:
    if sources and (all(source.has_place for source in sources) and not _is_unplaced(volume.affine)):
        return _found_frames(path, volume, values, sources)
    own = []
    for z, t in volume.places:
        affine = volume.frame_affine(z).numpy()
        rows, columns = np.linalg.norm(affine[:3, 0]), np.linalg.norm(affine[:3, 1])
        name = f"slice-{z + 1:03d}" + (f"-phase-{t + 1:03d}" if volume.num_phases > 1 else "")
        mask = np.ascontiguousarray(values[:, :, z, t].T)
        own.append(Frame(name, mask.shape, None, mask, (float(rows), float(columns)), affine))
    if not sources:
        return tuple(own)
    if len(own) != len(sources) or any(frame.size != source.size for frame, source in zip(own, sources, strict=True)):
        raise ValueError(
            f"Expected {path} to have the frames of its {len(sources)} image(s) of {sources[0].size} (H, W), but it "
            f"has {len(own)} of {own[0].size}, and one of the two tells no place: give the right images (--images)."
        )
    return tuple(attached(frame, sources, i, frame_names(sources)[i]) for i, frame in enumerate(own))


def _is_unplaced(affine: np.ndarray) -> bool:
    """Whether an affine is that of an image without a place: our own writers give it no offset and plain axes."""
    matrix = np.abs(affine[:3, :3])
    return not affine[:3, 3].any() and not matrix[[0, 1], [0, 1]].any() and not matrix[2, :2].any()


def _found_frames(
    path: Path, volume: NiftiVolume, values: np.ndarray, sources: Sequence[SourceFrame]
) -> tuple[Frame, ...]:
    """The voxels under the pixels of each image; the phases of a slice are taken in order."""
    names, frames, used = frame_names(sources), [], 0
    seen: dict[tuple[int, ...], int] = {}
    for index, source in enumerate(sources):
        voxels = _voxels_of(volume, source)
        if voxels is None:
            continue
        corner = tuple(int(axis.flat[0]) for axis in voxels)
        phase = seen[corner] = seen.get(corner, -1) + 1
        if phase >= volume.num_phases:
            raise ValueError(
                f"Expected a phase of {path} for each image in a place, but it has {volume.num_phases} and there are "
                "more images: give only the images of that phase (--images)."
            )
        mask = np.ascontiguousarray(values[(*voxels, phase)])
        used += int(np.count_nonzero(mask))
        frames.append(attached(Frame(names[index], None, mask=mask), sources, index))
    if any(phase + 1 != volume.num_phases for phase in seen.values()):
        raise ValueError(
            f"Expected {volume.num_phases} images in each slice of {path}, one a phase, but some have less."
        )
    if not frames or used != int(np.count_nonzero(values)):
        raise ValueError(
            f"Expected the voxels of {path} to be the pixels of the images, but {'some are' if frames else 'it lies'} "
            "elsewhere or between them: give all images of the series that it was drawn on, or resample it first."
        )
    return tuple(frames)


def _voxels_of(volume: NiftiVolume, source: SourceFrame) -> tuple[np.ndarray, ...] | None:
    """Three index arrays (H, W) of the voxels under an image's pixels; None when the grids differ."""
    height, width = source.size
    corners = np.array([[0, 0, 0, 1], [height - 1, 0, 0, 1], [0, width - 1, 0, 1]], dtype=np.float64).T
    world = source.affine.numpy() @ corners
    indices = np.round(np.linalg.solve(volume.affine, world)[:3])
    if np.abs(volume.affine[:3, :3] @ indices + volume.affine[:3, 3:] - world[:3]).max() > SAME_PLACE:
        return None
    if indices.min() < 0 or (indices.max(1) >= volume.voxels.shape[:3]).any():
        return None
    start = indices[:, 0]
    down, right = indices[:, 1] - start, indices[:, 2] - start
    if sorted(np.abs(down)) != [0, 0, height - 1] or sorted(np.abs(right)) != [0, 0, width - 1]:
        return None
    rows, columns = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
    steps = zip(start, np.sign(down), np.sign(right), strict=True)
    return tuple((first + row * rows + column * columns).astype(np.int64) for first, row, column in steps)
