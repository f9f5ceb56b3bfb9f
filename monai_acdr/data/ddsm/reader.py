# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""MONAI image reader for ``.LJPEG`` files of DDSM."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from monai.config import PathLike
from monai.data.image_reader import ImageReader
from monai.utils import ensure_tuple
from monai.utils.enums import MetaKeys, SpaceKeys

from monai_acdr.data.ddsm.files import open_name, parse_name
from monai_acdr.data.ddsm.ics import find_ics, read_ics
from monai_acdr.data.ddsm.ljpeg import read_ljpeg
from monai_acdr.data.ddsm.optical_density import optical_density

__all__ = ["OUTPUTS", "DDSMFilmImage", "DDSMReader"]

OUTPUTS = ("grey_level", "optical_density")


class DDSMFilmImage:
    """What :meth:`DDSMReader.read` gives: pixels and what the ``.ics`` file tells of them.

    Args:
        pixels: (H, W), row first.
        meta: metadata without affine.
        spacing: (row, column) in mm; None when unknown.
    """

    def __init__(self, pixels: np.ndarray, meta: dict[str, Any], spacing: tuple[float, float] | None) -> None:
        self.pixels, self.meta, self.spacing = pixels, meta, spacing


class DDSMReader(ImageReader):
    """Read one film of DDSM, ``.LJPEG`` or ``.LJPEG.gz``; the case's ``.ics`` file must lie beside it.

    The array is (H, W) float32 in the file's own orientation: grey levels, in which dense tissue is bright, or optical
    densities, which are comparable among digitizers and in which dense tissue is dark. The metadata hold ``affine`` and
    ``original_affine`` ((4, 4), RAS mm, rows along the first array axis, as MONAI's readers give it for images without
    orientation), ``spacing`` (row, column) in mm, NaN when unknown (the affine then counts pixels), ``has_spacing``,
    ``digitizer``, ``institution``, ``laterality`` ("L" or "R"), ``view`` ("CC" or "MLO"), ``breast_density``,
    ``bits_stored``, ``spatial_shape``, ``original_channel_dim`` and ``space``.

    Args:
        output: ``"grey_level"`` or ``"optical_density"``.

    Raises:
        FileNotFoundError: when the image or the ``.ics`` file is absent.
        ImportError: when the optional package imagecodecs is not installed.
        ValueError: when a file is damaged, they contradict one another, or the digitizer has no calibration.

    Example:
        ``LoadImaged(keys="image", reader=DDSMReader("optical_density"), image_only=True)``
    """

    def __init__(self, output: str = "grey_level") -> None:
        super().__init__()
        if output not in OUTPUTS:
            raise ValueError(f"Expected `output` to be one of {OUTPUTS}, but got {output!r}.")
        self.output = output

    def verify_suffix(self, filename: Sequence[PathLike] | PathLike) -> bool:
        """True when every file ends in ``.LJPEG`` or ``.LJPEG.gz``, in whatever case."""
        return all(open_name(Path(name).name).endswith(".ljpeg") for name in ensure_tuple(filename))

    def read(self, data: Sequence[PathLike] | PathLike, **kwargs: Any) -> DDSMFilmImage:
        """Decode one file.

        Raises:
            FileNotFoundError, ImportError, ValueError: see the class.
        """
        paths = ensure_tuple(data)
        if len(paths) != 1:
            raise ValueError(f"Expected one film, but got {len(paths)} files: make one data item of each.")
        path = Path(paths[0])
        name = parse_name(path.name)
        if name is None or name.kind != "LJPEG":
            raise ValueError(
                f"Expected a file name as A_1509_1.LEFT_CC.LJPEG, but got {path}: keep the names of the archive, since "
                "institution, view and .ics file follow from them."
            )
        ics_path = find_ics(path, name.ics)
        case = read_ics(ics_path)
        if name.view not in case.films:
            raise ValueError(
                f"Expected a line {name.view} with LINES and PIXELS_PER_LINE in {ics_path}, but there is none: "
                "copy the .ics file again."
            )
        film = case.films[name.view]
        pixels = read_ljpeg(path, film.size)
        if self.output == "optical_density":
            values = optical_density(pixels, case.digitizer, name.institution)
        else:
            values = pixels.astype(np.float32)
        side, view = name.view.split("_")
        meta = {
            "digitizer": case.digitizer,
            "institution": name.institution,
            "laterality": side[0],
            "view": view,
            "breast_density": case.density,
            "bits_stored": film.bits or 0,
        }
        return DDSMFilmImage(values, meta, case.spacing(name.view))

    def get_data(self, img: DDSMFilmImage) -> tuple[np.ndarray, dict[str, Any]]:
        """Pixels (H, W) float32 and metadata of a film that :meth:`read` gave."""
        affine = np.diag([*(img.spacing or (1.0, 1.0)), 1.0, 1.0])
        meta = {
            **img.meta,
            "spacing": np.array(img.spacing or (np.nan, np.nan)),
            "has_spacing": img.spacing is not None,
            MetaKeys.AFFINE: affine,
            MetaKeys.ORIGINAL_AFFINE: affine.copy(),
            MetaKeys.SPACE: SpaceKeys.RAS,
            MetaKeys.SPATIAL_SHAPE: np.array(img.pixels.shape),
            MetaKeys.ORIGINAL_CHANNEL_DIM: "no_channel",
        }
        return img.pixels, meta
