# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""What `segment` is given, as frames: DICOM, pictures (PNG, JPEG), or a NIfTI volume."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from monai.data.meta_tensor import MetaTensor
from PIL import Image

from monai_acdr.apps.frame_names import frame_names
from monai_acdr.apps.nifti import NiftiVolume, is_nifti, read_nifti
from monai_acdr.apps.pixels import load_frames, make_image
from monai_acdr.apps.study_files import Skipped, choose_series, find_series
from monai_acdr.data.files import walk_files
from monai_acdr.data.image_headers import is_dicom_file
from monai_acdr.dicom import SourceFrame
from monai_acdr.measures import FrameHeader
from monai_acdr.transforms import gray_image

__all__ = ["Frame", "Inputs", "read_inputs", "volume_inputs"]

PICTURES = ("PNG", "JPEG", "TIFF", "BMP")
"""Formats of pictures, as Pillow names them."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Frame:
    """One image.

    Attributes:
        name: unique, safe as a file name, and without the patient's identity.
        image: (1, H, W) float32.
        spacing: (between rows, between columns) in mm; None where it is not known.
        source: the DICOM frame, or None.
        header: its place in a stack, or None where nothing is known of it.
        laterality: "L" or "R" of a breast, else "".
    """

    name: str
    image: MetaTensor
    spacing: tuple[float, float] | None
    source: SourceFrame | None = None
    header: FrameHeader | None = None
    laterality: str = ""

    @property
    def size(self) -> tuple[int, int]:
        """(H, W)."""
        return int(self.image.shape[-2]), int(self.image.shape[-1])


@dataclass(frozen=True, eq=False)
class Inputs:
    """All images of one run.

    Attributes:
        kind: ``dicom``, ``pictures`` or ``nifti``.
        frames: in spatial and temporal order.
        skipped: files that were left out.
        volume: of NIfTI, the grid that masks go back to.
    """

    kind: str
    frames: list[Frame]
    skipped: list[Skipped]
    volume: NiftiVolume | None = None

    @property
    def sources(self) -> list[SourceFrame]:
        """The DICOM frames; empty for other kinds."""
        return [frame.source for frame in self.frames if frame.source is not None]


def read_inputs(
    path: Path,
    series: str | None = None,
    spacing: Sequence[float] | None = None,
    progress: Progress | None = None,
) -> Inputs:
    """Read a file, a folder or a study.

    Args:
        path: DICOM file or folder of one patient's study; a picture or a folder of pictures; a NIfTI file. Where a
            folder holds DICOM, everything else in it is left out.
        series: of DICOM, which one: see :func:`choose_series`.
        spacing: (between rows, between columns) in mm for images that do not tell it.
        progress: told (done, all) while pixels are decoded.

    Raises:
        FileNotFoundError: when there is no such path.
        ValueError: when there is no image, or not one series of one patient.
    """
    given = _check_spacing(spacing)
    if not path.exists():
        raise FileNotFoundError(f"Expected a file or a folder, but {path} does not exist: check the path.")
    if path.is_file() and is_nifti(path):
        return volume_inputs(read_nifti(path))
    if path.is_file() and not is_dicom_file(path):
        return Inputs("pictures", _read_pictures([path], given, []), [])
    if path.is_dir() and not _has_dicom(path):
        skipped: list[Skipped] = []
        files = [folder / name for folder, names in walk_files(path) for name in names]
        frames = _read_pictures(files, given, skipped)
        if not frames:
            raise ValueError(
                f"Expected DICOM images or pictures ({', '.join(PICTURES)}) in {path}, but found none among "
                f"{len(files)} file(s): check the folder; a NIfTI volume is given as a file."
            )
        return Inputs("pictures", frames, skipped)
    all_series, skipped = find_series(path)
    sources = choose_series(all_series, series)
    images = load_frames(sources, progress)
    named = zip(frame_names(sources), sources, strict=True)
    return Inputs("dicom", [_dicom_frame(name, source, images[source.key], given) for name, source in named], skipped)


def volume_inputs(volume: NiftiVolume) -> Inputs:
    """The frames of a volume, by slice and then by phase, each with its place in the stack."""
    frames = []
    for number, (slice_index, phase) in enumerate(volume.places):
        affine = volume.frame_affine(slice_index)
        image = make_image(volume.frame(slice_index, phase), affine)
        lps = affine.numpy() * np.array([[-1], [-1], [1], [1]])
        rows, columns = np.linalg.norm(lps[:3, 0]), np.linalg.norm(lps[:3, 1])
        header = FrameHeader(
            position=tuple(lps[:3, 3].tolist()),
            orientation=(*(lps[:3, 1] / columns).tolist(), *(lps[:3, 0] / rows).tolist()),
            temporal_position=phase + 1,
            instance_number=number + 1,
        )
        name = f"slice-{slice_index + 1:03d}" + (f"-phase-{phase + 1:03d}" if volume.num_phases > 1 else "")
        frames.append(Frame(name, image, (float(rows), float(columns)), header=header))
    return Inputs("nifti", frames, [], volume)


def _check_spacing(spacing: Sequence[float] | None) -> tuple[float, float] | None:
    if spacing is None:
        return None
    values = tuple(float(value) for value in spacing)
    if len(values) != 2 or not all(0 < value < 1e3 for value in values):
        raise ValueError(f"Expected `spacing` to be two positive numbers in mm, rows then columns, but got {values}.")
    return values[0], values[1]


def _has_dicom(path: Path) -> bool:
    return any(
        (folder / name).is_file() and is_dicom_file(folder / name) for folder, n in walk_files(path) for name in n
    )


def _dicom_frame(name: str, source: SourceFrame, image: MetaTensor, given: tuple[float, float] | None) -> Frame:
    side = str(source.header.get("ImageLaterality") or source.header.get("Laterality") or "").strip().upper()
    return Frame(name, image, source.spacing or given, source, _cine_header(source), side if side in ("L", "R") else "")


def _cine_header(source: SourceFrame) -> FrameHeader:
    """Of multi-frame objects the frame's own place, its number for the order in time."""
    if source.num_frames == 1:
        return FrameHeader.from_dataset(source.header)
    return FrameHeader(position=source.position, orientation=source.orientation, instance_number=source.frame)


def _read_pictures(files: Sequence[Path], spacing: tuple[float, float] | None, skipped: list[Skipped]) -> list[Frame]:
    """Pictures by name; of several files those that are none are skipped, a single one is an error."""
    scale = torch.eye(4, dtype=torch.float64)
    if spacing is not None:
        scale[0, 0], scale[1, 1] = spacing
    frames: list[Frame] = []
    for file in files:
        try:
            frames.append(Frame(f"{file.stem}", make_image(_read_picture(file), scale), spacing))
        except ValueError as error:
            if len(files) == 1:
                raise
            skipped.append(Skipped(file.name, "unreadable", str(error).replace(str(file), file.name)))
    names = [frame.name.casefold() for frame in frames]
    if len(set(names)) == len(names):
        return frames
    return [Frame(f"frame-{i:04d}", f.image, f.spacing) for i, f in enumerate(frames, start=1)]


def _read_picture(path: Path) -> np.ndarray:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=PICTURES) as image:
                return np.asarray(gray_image(image), dtype=np.float32)
    except (OSError, SyntaxError, ValueError, Warning, Image.DecompressionBombError) as error:
        raise ValueError(
            f"Expected a DICOM, NIfTI or picture file ({', '.join(PICTURES)}), but {path} cannot be read "
            f"({type(error).__name__}): it is another format or damaged."
        ) from None
