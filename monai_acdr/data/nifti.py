# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""NIfTI volumes as frames, row first, and masks back onto their grid.

All NIfTI files are read here, single-file NIfTI-1 and NIfTI-2, compressed or not. nibabel reads the header; voxels are
read only when their number is within the budget (:mod:`monai_acdr.read_budget`), and of a compressed file no more than
the header states.

A file states the voxel size in up to three places. ``pixdim`` has the acquired size, and so has the qform; the sform
may hold a map to a template, or nothing: common copies of ACDC's files have an sform of 1 mm and a ``pixdim`` of 1.3 x
1.3 x 10 mm. Where the scales of sform and ``pixdim`` differ, ``pixdim`` is used, with a finding. The units in
``xyzt_units`` are applied: meters and microns become mm.
"""

from __future__ import annotations

import gzip
import logging
import math
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import nibabel as nib
import numpy as np
import torch
from nibabel.volumeutils import apply_read_scaling
from torch import Tensor

from monai_acdr.data.files import check_regular_file
from monai_acdr.files import replace_file
from monai_acdr.measures import Finding
from monai_acdr.plausibility import UNKNOWN, check_position, check_slice_distance, check_spacing
from monai_acdr.read_budget import check_bytes, check_pixels

__all__ = ["NiftiVolume", "check_grid", "is_nifti", "read_nifti", "read_nifti_voxels", "write_masks"]

SCALE_TOLERANCE = 0.01
"""Relative difference beyond which the sform's scale is not that of ``pixdim``; both are single precision."""

SHEAR = 0.05
"""Largest cosine between the axes of a slice; at this one areas are wrong by 0.1 %."""

_ERROR_LEVEL = 40
"""Level from which nibabel's findings about a header are errors; lower ones are repaired."""
_SILENT = logging.getLogger(f"{__name__}.header")
_SILENT.propagate = False
_SILENT.addHandler(logging.NullHandler())
_HEADERS = ((348, nib.Nifti1Header), (540, nib.Nifti2Header))
_MM_PER_UNIT = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}
"""Spatial code of ``xyzt_units`` -> mm; 0 tells nothing, and means mm in practice."""
_GEOMETRY = (
    *("pixdim", "xyzt_units", "qform_code", "sform_code", "quatern_b", "quatern_c", "quatern_d"),
    *("qoffset_x", "qoffset_y", "qoffset_z", "srow_x", "srow_y", "srow_z"),
)
"""Fields of a header that say where the voxels lie."""


@dataclass(frozen=True, eq=False)
class NiftiVolume:
    """A volume whose first axis runs along a row, as NIfTI has it.

    Attributes:
        voxels: (X, Y, Z, T) float32.
        affine: (4, 4) voxel index to RAS mm, used for measurements.
        shape: as in the file, 2 to 4 numbers.
        header: of the file, whose geometry masks get; None where the volume is from elsewhere.
        findings: remarks about its scale.
    """

    voxels: np.ndarray
    affine: np.ndarray
    shape: tuple[int, ...]
    header: Any = None
    findings: tuple[Finding, ...] = ()

    @classmethod
    def from_voxels(
        cls, voxels: np.ndarray, affine: np.ndarray, header: Any = None, findings: tuple[Finding, ...] = ()
    ) -> NiftiVolume:
        """The volume of voxels of two to four dimensions."""
        shape = tuple(int(n) for n in voxels.shape)
        full = voxels.astype(np.float32, copy=False).reshape(*shape, *([1] * (4 - len(shape))))
        return cls(full, affine, shape, header, findings)

    @property
    def file_affine(self) -> np.ndarray:
        """(4, 4) as other programs understand the file: by its sform or qform, in its own units."""
        return self.affine if self.header is None else np.asarray(self.header.get_best_affine(), dtype=np.float64)

    @property
    def num_phases(self) -> int:
        """T."""
        return int(self.voxels.shape[3])

    @property
    def places(self) -> list[tuple[int, int]]:
        """(slice, phase) of each frame, by slice."""
        return [(z, t) for z in range(self.voxels.shape[2]) for t in range(self.num_phases)]

    def frame(self, slice_index: int, phase: int) -> np.ndarray:
        """(H, W) = (Y, X)."""
        return np.asarray(self.voxels[:, :, slice_index, phase].T)

    def frame_affine(self, slice_index: int) -> Tensor:
        """(4, 4) float64: index (row, column, slice) to RAS mm."""
        matrix = self.affine[:, [1, 0, 2, 3]].astype(np.float64)
        matrix[:, 3] = matrix[:, 3] + slice_index * matrix[:, 2]
        return torch.from_numpy(matrix)


def is_nifti(path: Path) -> bool:
    """Whether the name has a suffix of NIfTI: compressed files cannot be detected by content."""
    return path.name.lower().endswith((".nii", ".nii.gz"))


def read_nifti(path: Path) -> NiftiVolume:
    """Read an image of two to four dimensions.

    Raises:
        FileNotFoundError: when there is no such file.
        ValueError: when it is not a NIfTI file, is damaged, larger than the budget, has other voxels than finite
            numbers, or its scale is not plausible.
    """
    header, voxels = _read(path)
    if not np.isfinite(voxels).all():
        raise ValueError(
            f"Expected a NIfTI volume of finite voxels, but {path} has NaN or infinity: replace them, for example by 0."
        )
    with _refusal(path):
        affine, findings = _affine(header)
    findings += check_grid(path, affine, voxels.shape)
    return NiftiVolume.from_voxels(voxels, affine, header, tuple(findings))


def read_nifti_voxels(path: Path) -> np.ndarray:
    """The voxels alone, float32, of two to four dimensions, with any affine: a label map is on its image's grid.

    Raises:
        FileNotFoundError, ValueError: as :func:`read_nifti`, except for those about its scale.
    """
    return _read(path)[1]


def check_grid(description: object, affine: np.ndarray, shape: tuple[int, ...]) -> list[Finding]:
    """Refuse an impossible voxel grid.

    Args:
        description: the file, for messages.
        affine: (4, 4) voxel index to RAS mm.
        shape: (X, Y[, Z[, T]]).

    Returns:
        Findings about it.

    Raises:
        ValueError: for an affine that is singular or sheared within a slice, and as
            :func:`monai_acdr.plausibility.check_spacing`, :func:`~monai_acdr.plausibility.check_position` and
            :func:`~monai_acdr.plausibility.check_slice_distance`.
    """
    remedy = "correct the affine, pixdim or xyzt_units of its header"
    steps = np.linalg.norm(affine[:3, :3], axis=0)
    if not np.isfinite(affine).all() or not (steps > 0).all():
        raise ValueError(f"Expected a volume with three axes, but the affine of {description} is singular: {remedy}.")
    odd = check_spacing(description, (steps[1], steps[0]), (shape[1], shape[0]), UNKNOWN, remedy)
    check_position(description, affine[:3, 3].tolist(), remedy)
    directions = affine[:3, :3] / steps
    if abs(np.linalg.det(directions)) < 1e-3:
        raise ValueError(f"Expected a volume with three axes, but the affine of {description} is singular: {remedy}.")
    if abs(float(directions[:, 0] @ directions[:, 1])) > SHEAR:
        raise ValueError(
            f"Expected the rows and columns of a slice at a right angle, but the affine of {description} is sheared: "
            f"{remedy}."
        )
    if len(shape) > 2 and shape[2] > 1:
        check_slice_distance(description, float(steps[2]), remedy)
    return [Finding("implausible_scale", text) for text in odd]


def write_masks(path: Path, volume: NiftiVolume, masks: Mapping[tuple[int, int], np.ndarray]) -> Path:
    """Write masks (H, W) of frames as one volume of the image's shape, uint8 {0, 1}, with the geometry of its file.

    Args:
        path: file to write, ``.nii`` or ``.nii.gz``.
        volume: the image.
        masks: (slice, phase) -> mask; absent frames stay empty.
    """
    array = np.zeros(volume.voxels.shape, dtype=np.uint8)
    for (slice_index, phase), mask in masks.items():
        array[:, :, slice_index, phase] = mask.T
    array = array.reshape(volume.shape)
    if volume.header is None:
        image = nib.Nifti1Image(array, volume.affine)
    else:
        kind = nib.Nifti2Image if isinstance(volume.header, nib.Nifti2Header) else nib.Nifti1Image
        header = kind.header_class()
        header.set_data_shape(array.shape)
        for name in _GEOMETRY:
            header[name] = volume.header[name]
        header.set_data_dtype(np.uint8)
        image = kind(array, header.get_best_affine(), header)
    with replace_file(path) as temporary:
        nib.save(image, temporary)
    return path


def _read(path: Path) -> tuple[Any, np.ndarray]:
    """Header, and voxels float32 of two to four dimensions."""
    check_regular_file(path, "a NIfTI volume")
    with ExitStack() as stack:
        with _refusal(path):
            is_packed = path.name.lower().endswith(".gz")
            stream: Any = stack.enter_context(gzip.open(path, "rb") if is_packed else open(path, "rb"))
            header, shape, dtype, offset = _header(stream)
        check_pixels(path, shape)
        check_bytes(path, offset + math.prod(shape) * dtype.itemsize)
        with _refusal(path):
            return header, _voxels(stream, header, shape, dtype, offset)


@contextmanager
def _refusal(path: Path) -> Iterator[None]:
    """Convert errors of nibabel, gzip, zlib and struct into one that names the file."""
    try:
        yield
    except MemoryError:
        raise
    except Exception as error:  # a damaged file makes them raise nearly anything
        reason = str(error).strip().rstrip(".:") or type(error).__name__
        raise ValueError(f"Expected a NIfTI volume, but {path} cannot be used: {reason}.") from None


def _header(stream: IO[bytes]) -> tuple[Any, tuple[int, ...], np.dtype[Any], int]:
    """Header, shape without further axes of one voxel, type and place of the voxels."""
    start = stream.read(max(size for size, _ in _HEADERS))
    sizes = {int.from_bytes(start[:4], order) for order in ("little", "big")}
    kind = next(((size, kind) for size, kind in _HEADERS if size in sizes and len(start) >= size), None)
    if kind is None:
        raise ValueError("it does not begin like one")
    header = kind[1](start[: kind[0]], check=False)
    header.check_fix(_SILENT, _ERROR_LEVEL)
    shape = tuple(int(extent) for extent in header.get_data_shape())
    dtype = np.dtype(header.get_data_dtype())
    while len(shape) > 4 and shape[-1] == 1:
        shape = shape[:-1]
    if not 2 <= len(shape) <= 4 or min(shape) < 1:
        raise ValueError(f"its shape is {shape}, expected 2 to 4 dimensions")
    if dtype.kind not in "iuf":
        raise ValueError(f"its voxels are {_name(dtype)}, expected whole or real numbers")
    if not bytes(header["magic"]).startswith(b"n+"):
        raise ValueError("its voxels are not in the same file: save it as one .nii or .nii.gz")
    offset = float(header["vox_offset"])
    if not (math.isfinite(offset) and offset >= kind[0]):
        raise ValueError(f"its voxels begin at byte {offset:g}")
    return header, shape, dtype, int(offset)


def _voxels(stream: IO[bytes], header: Any, shape: tuple[int, ...], dtype: np.dtype[Any], offset: int) -> np.ndarray:
    """Voxels, float32. Bytes after them are ignored."""
    slope, intercept = header.get_slope_inter()
    stream.seek(offset)
    number = math.prod(shape) * dtype.itemsize
    content = stream.read(number)
    if len(content) < number:
        raise ValueError(f"it has {len(content)} bytes of voxels, expected {number}: it is truncated")
    stored = np.frombuffer(content, dtype).reshape(shape, order="F")
    if slope is not None and (slope, intercept) != (1.0, 0.0):
        stored = apply_read_scaling(stored, np.float64(slope), np.float64(intercept))
    with np.errstate(over="ignore"):
        return stored.astype(np.float32)  # a copy, which may be written to


def _affine(header: Any) -> tuple[np.ndarray, list[Finding]]:
    """(4, 4) voxel index to RAS mm, and findings about the choice."""
    code = int(header["xyzt_units"]) & 7
    findings = []
    if code not in _MM_PER_UNIT:
        findings.append(Finding("unknown_unit", f"unit {code} of xyzt_units is none of NIfTI's: taken for mm"))
    scale = np.diag([*[_MM_PER_UNIT.get(code, 1.0)] * 3, 1.0])
    pixdim = np.abs(np.asarray(header["pixdim"][1:4], dtype=np.float64))
    pixdim[int(header["dim"][0]) :] = 1.0
    affine = np.asarray(header.get_best_affine(), dtype=np.float64)
    steps = np.linalg.norm(affine[:3, :3], axis=0)
    is_told = np.isfinite(pixdim).all() and (pixdim > 0).all() and not np.allclose(pixdim, 1.0)
    used = slice(0, min(int(header["dim"][0]), 3))
    if int(header["sform_code"]) <= 0 or np.allclose(steps[used], pixdim[used], rtol=SCALE_TOLERANCE):
        return scale @ affine, findings
    stated = " x ".join(f"{value:.4g}" for value in steps), " x ".join(f"{value:.4g}" for value in pixdim)
    if not is_told or not np.isfinite(steps).all() or not (steps > 0).all():
        if not is_told:
            findings.append(
                Finding(
                    "scale_disagreement", f"the sform has voxels of {stated[0]}, pixdim of {stated[1]}: took the sform"
                )
            )
        return scale @ affine, findings
    if int(header["qform_code"]) > 0:
        affine, name = np.asarray(header.get_qform(), dtype=np.float64), "the qform"
    else:
        affine, name = affine.copy(), "pixdim"
        affine[:3, :3] *= pixdim / steps
    findings.append(
        Finding(
            "scale_disagreement", f"the sform has voxels of {stated[0]}, pixdim of {stated[1]}: took {name}, as imaged"
        )
    )
    return scale @ affine, findings


def _name(dtype: np.dtype[Any]) -> str:
    return "complex numbers" if dtype.kind == "c" else "colors" if dtype.fields else f"of type {dtype}"
