# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The files of a DICOM series in the order of the slices of the volume that MONAI Label makes of it."""

from __future__ import annotations

from pathlib import Path

from monai.utils import optional_import

__all__ = ["convert_series", "series_files"]


def series_files(folder: Path) -> list[Path]:
    """Files of the only series in a folder, as ITK's reader of series orders them, which MONAI Label converts with.

    Of a cine series, whose frames share their positions, that is by instance number.

    Raises:
        ImportError: without SimpleITK.
        ValueError: when there is no series, or several.
    """
    reader, _ = optional_import("SimpleITK", name="ImageSeriesReader")
    series = reader.GetGDCMSeriesIDs(str(folder))
    if len(series) != 1:
        raise ValueError(
            f"Expected one DICOM series in a folder, but got {len(series)}: give each series a folder of its own."
        )
    return [Path(name) for name in reader.GetGDCMSeriesFileNames(str(folder), series[0])]


def convert_series(folder: Path, target: Path) -> Path:
    """Write a series as NIfTI, as MONAI Label does, for clients that want a file.

    Args:
        folder: of one series.
        target: ``.nii.gz``; replaced.

    Raises:
        ImportError, ValueError: as :func:`series_files`; ValueError also when it cannot be read.
    """
    files = [str(path) for path in series_files(folder)]
    sitk, _ = optional_import("SimpleITK")
    try:
        image = sitk.ReadImage(files[0] if len(files) == 1 else files)
        sitk.WriteImage(image, str(target))
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1:] or ["unknown"]
        raise ValueError(f"Expected a DICOM series that can be read, but {folder} cannot: {reason[0]}") from None
    return target
