# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Layers as files of any format: whole or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from monai_acdr.apps.contour_document import ContourDocument, FrameContours, write_contour_document
from monai_acdr.apps.conversion.content import Frame, Layer, merge_layers, used_sources
from monai_acdr.apps.conversion.formats import Format
from monai_acdr.apps.conversion.volumes import write_volume
from monai_acdr.data import write_contour
from monai_acdr.dicom import Algorithm, MaskRegion, Region, SourceFrame, write_rtstruct, write_seg
from monai_acdr.dicom.identity import new_uid
from monai_acdr.dicom.seg import THRESHOLD
from monai_acdr.files import check_free, check_parent, output_folder, remove_leftovers, replace_file
from monai_acdr.geometry import pixel_to_world
from monai_acdr.visualize import save_png

__all__ = ["UNKNOWN", "check_single", "target_files", "write_layers"]

UNKNOWN = Algorithm("monai_acdr convert")
"""What DICOM objects name as the origin of contours that do not tell it."""


def write_layers(
    path: Path,
    layers: Sequence[Layer],
    kind: Format,
    sources: Sequence[SourceFrame],
    fractional: bool = False,
    folder: bool = False,
    overwrite: bool = False,
) -> list[Path]:
    """Write layers that have what the format holds.

    Args:
        path: file or folder; the folder above it must exist.
        layers: one, or several where the format has room for them.
        kind: the format.
        sources: the images; may be empty for formats that need none.
        fractional: of SEG, whether to keep partial coverage.
        folder: whether to write a file for each frame, named after it.
        overwrite: replace existing files.

    Returns:
        The files.

    Raises:
        FileExistsError: when a file exists and `overwrite` is false.
        OSError: when a file cannot be written.
        ValueError: when the format cannot say it.
    """
    check_parent(path)
    if folder:
        return _write_folder(path, layers[0], kind, overwrite)
    if not overwrite:
        check_free(path)
    if path.is_dir():
        raise FileExistsError(f"{path} is a folder: choose another name.")
    kept = used_sources(layers, sources) if sources else []
    images = [sources[index] for index in kept]
    remove_leftovers(path.absolute().parent)
    if kind.name in ("rtstruct", "seg"):
        _write_dicom(path, layers, kind, kept, images, fractional, overwrite)
    elif kind.name == "json":
        write_contour_document(path, _document(layers), overwrite)
    elif kind.name == "nifti":
        with replace_file(path, overwrite) as temporary:
            write_volume(temporary, merge_layers(layers), images)
    else:
        frame = check_single(layers[0], kind)
        with replace_file(path, overwrite) as temporary:
            _write_frame(temporary, frame, kind)
    return [path]


def check_single(layer: Layer, kind: Format) -> Frame:
    """The only frame of a layer, or the only one with something in it.

    Raises:
        ValueError: when there are several.
    """
    frames = [frame for frame in layer.frames if not frame.is_empty] if len(layer.frames) > 1 else list(layer.frames)
    if len(frames) != 1:
        raise ValueError(
            f"Expected one frame for a .{kind.name} file, but there are {len(frames)}: name a folder instead, with "
            f"--to {kind.name}, or a format for several frames (.json, .nii.gz, DICOM)."
        )
    return frames[0]


def _write_dicom(
    path: Path,
    layers: Sequence[Layer],
    kind: Format,
    kept: Sequence[int],
    images: Sequence[SourceFrame],
    fractional: bool,
    overwrite: bool,
) -> None:
    algorithm = next((layer.algorithm for layer in layers if layer.algorithm), UNKNOWN)
    by_source = [{frame.source: frame for frame in layer.frames} for layer in layers]
    if kind.name == "rtstruct":
        regions = [
            Region(
                layer.structure,
                tuple(_contours(frames.get(index)) for index in kept),
                holes=tuple(_holes(frames.get(index)) for index in kept),
            )
            for layer, frames in zip(layers, by_source, strict=True)
        ]
        write_rtstruct(path, regions, images, algorithm=algorithm, overwrite=overwrite)
        return
    segments = [
        MaskRegion(layer.structure, tuple(_mask(frames.get(index)) for index in kept), layer.tracking_uid or new_uid())
        for layer, frames in zip(layers, by_source, strict=True)
    ]
    write_seg(path, segments, images, "FRACTIONAL" if fractional else "BINARY", None, algorithm, overwrite=overwrite)


def _contours(frame: Frame | None) -> tuple[np.ndarray, ...]:
    return frame.contours or () if frame else ()


def _holes(frame: Frame | None) -> tuple[bool, ...]:
    return (frame.holes or (False,) * len(frame.contours or ())) if frame else ()


def _mask(frame: Frame | None) -> np.ndarray | None:
    return None if frame is None or frame.mask is None or not frame.mask.any() else frame.mask


def _document(layers: Sequence[Layer]) -> ContourDocument:
    """One document of all layers: contours of the same frame are put together."""
    grouped: dict[object, list[tuple[int, Frame]]] = {}
    for number, layer in enumerate(layers):
        for frame in layer.frames:
            grouped.setdefault(frame.key, []).append((number, frame))
    algorithm = next((layer.algorithm for layer in layers if layer.algorithm), None)
    frames = tuple(_document_frame(parts) for parts in grouped.values())
    return ContourDocument(tuple(layer.structure for layer in layers), frames, algorithm)


def _document_frame(parts: Sequence[tuple[int, Frame]]) -> FrameContours:
    """A frame of the document from its part in each layer, given with the number of the structure."""
    first = parts[0][1]
    sizes = {frame.size for _, frame in parts}
    if len(sizes) > 1:
        raise ValueError(
            f"Expected all structures of frame {first.name!r} on an image of one size, but got "
            f"{sorted(sizes, key=str)} (H, W): choose one with --structure, or give the images (--images)."
        )
    drawn = [(number, frame, vertices) for number, frame in parts for vertices in frame.contours or ()]
    world: tuple[np.ndarray, ...] | None = None
    if first.affine is not None:
        affine = torch.from_numpy(first.affine)
        world = tuple(pixel_to_world(torch.from_numpy(vertices), affine).numpy() for _, _, vertices in drawn)
    elif all(frame.world is not None for _, frame in parts):
        world = tuple(points for _, frame in parts for points in frame.world or ())
    return FrameContours(
        first.name,
        first.size or (0, 0),
        tuple(vertices for *_, vertices in drawn),
        first.spacing,
        first.sop_instance_uid,
        first.frame,
        world,
        holes=tuple(hole for _, frame in parts for hole in _holes(frame)),
        structures=tuple(number for number, *_ in drawn),
    )


def _write_frame(path: Path, frame: Frame, kind: Format) -> None:
    if kind.name == "png":
        save_png(path, np.where(np.asarray(frame.mask) >= THRESHOLD, 255, 0).astype(np.uint8))
        return
    contours = frame.contours or ()
    if len(contours) != 1:
        holes = f", {sum(frame.holes)} of them holes" if frame.holes else ""
        raise ValueError(
            f"Expected one contour for a .txt file, but frame {frame.name!r} has {len(contours)}{holes}: write .json, "
            "which holds several."
        )
    write_contour(path, torch.from_numpy(contours[0]))


def target_files(path: Path, layers: Sequence[Layer], kind: Format, folder: bool) -> list[Path]:
    """What :func:`write_layers` writes."""
    return [path / f"{frame.name}.{kind.name}" for frame in _folder_frames(layers[0], kind)] if folder else [path]


def _folder_frames(layer: Layer, kind: Format) -> list[Frame]:
    return [frame for frame in layer.frames if kind.name == "png" or frame.contours]


def _write_folder(path: Path, layer: Layer, kind: Format, overwrite: bool) -> list[Path]:
    """One file per frame: all of them or none."""
    frames = _folder_frames(layer, kind)
    files = [f"{frame.name}.{kind.name}" for frame in frames]
    with output_folder(path, files, overwrite) as new:
        for name, frame in zip(files, frames, strict=True):
            _write_frame(new / name, frame, kind)
    return [path / name for name in files]
