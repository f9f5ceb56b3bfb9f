# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Files of CBIS-DDSM: which ones a row of its tables means, and which of them is the mask.

Downloads differ: the tables say ``<subject>/<study>/<series>/000000.dcm``, newer downloads rename the files
(``1-1.dcm``) or the folders. In many rows the columns of crop and mask are swapped, so contents decide.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from monai_acdr.data.files import natural_key, walk_data_set
from monai_acdr.data.image_headers import is_dicom_file, read_image_header
from monai_acdr.data.mass_tables import path_parts
from monai_acdr.data.report import QualityReport
from monai_acdr.dicom import read_gray_image
from monai_acdr.dicom.elements import is_present, whole_number
from monai_acdr.dicom.files import load_dataset
from monai_acdr.read_budget import check_pixels

__all__ = ["CbisFiles", "DicomFile", "choose_mask"]

_OTHER_LESIONS = "calc-"
"""Beginning of the folders of calcifications, as in ``Calc-Training_P_00005_RIGHT_CC``."""


@dataclass(frozen=True)
class DicomFile:
    """A DICOM image, by its header.

    Attributes:
        path: the file.
        size: (H, W).
        bits: BitsAllocated, 8 of masks and 16 of images.
        has_spacing: whether PixelSpacing or ImagerPixelSpacing is there; in the published files neither is.
    """

    path: Path
    size: tuple[int, int]
    bits: int
    has_spacing: bool


class CbisFiles:
    """The DICOM files below a folder, found by the paths of the tables.

    Args:
        root: folder of the data set; nothing outside it is ever found.
        report: receives what is no file, as ``not_a_file``.
    """

    def __init__(self, root: Path, report: QualityReport) -> None:
        self.root = root
        self._folders: dict[str, list[tuple[tuple[str, ...], list[Path]]]] = defaultdict(list)
        self._headers: dict[Path, DicomFile] = {}
        self._unnamed: set[Path] = set()
        for folder, names in walk_data_set(root, (".dcm", ".csv"), report):
            files = [folder / name for name in names if name.lower().endswith(".dcm")]
            parts = folder.relative_to(root).parts
            if files and not any(part.lower().startswith(_OTHER_LESIONS) for part in parts):
                self._unnamed.add(folder)
            for part in set(parts) if files else ():
                self._folders[part].append((parts, files))

    def find(self, text: str) -> list[Path]:
        """Files that a path of a table means: that file, else those of its folder, else those of its subject.

        Raises:
            ValueError: for a path that leaves the data set.
        """
        *wanted, name = path_parts(text)
        if not wanted:
            return []
        subject = self._folders.get(wanted[0], [])
        series = [files for parts, files in subject if parts[-len(wanted) :] == tuple(wanted)]
        exact = [path for files in series for path in files if path.name == name]
        found = exact or [path for files in series or [files for _, files in subject] for path in files]
        self._unnamed -= {path.parent for path in found}
        return found

    def unnamed_folders(self) -> list[str]:
        """Folders with files that no path looked for so far means, relative to the root, in natural order.

        Those of calcifications, which other tables name, do not count.
        """
        return sorted((folder.relative_to(self.root).as_posix() for folder in self._unnamed), key=natural_key)

    def header(self, path: Path) -> DicomFile:
        """The header of a file, read once.

        Raises:
            ValueError: when it is no complete DICOM image; the message names the file.
        """
        if path not in self._headers:
            self._headers[path] = _read_header(path)
        return self._headers[path]


def choose_mask(files: Sequence[DicomFile], image_size: tuple[int, int]) -> DicomFile | None:
    """The mask among the files of crop and mask; None when none of them is one.

    A crop has 16 bits, a mask 8. Where that does not leave exactly one file, those of two values only are masks, and of
    several the one nearest to the image's size.
    """
    masks = [file for file in files if file.bits == 8]
    if len(masks) == 1:
        return masks[0]
    masks = [file for file in masks or files if _has_two_values(file)]
    return min(masks, key=lambda file: (_difference(file.size, image_size), str(file.path)), default=None)


def _difference(size: tuple[int, int], image_size: tuple[int, int]) -> int:
    return abs(size[0] - image_size[0]) + abs(size[1] - image_size[1])


def _has_two_values(file: DicomFile) -> bool:
    try:
        values = read_gray_image(file.path)
    except ValueError:  # what cannot be decoded is no mask
        return False
    return bool(np.isin(values, (values.min(), values.max())).all())


def _read_header(path: Path) -> DicomFile:
    if not is_dicom_file(path):
        raise ValueError(f"Expected a DICOM file, but {path} is none: copy it again.")
    header = read_image_header(path)
    check_pixels(path, header.size)
    keywords = ["BitsAllocated", "ImagerPixelSpacing"]
    dataset = load_dataset(path, header_only=True, force=True, keywords=keywords)
    has_spacing = header.has_spacing or is_present(dataset, "ImagerPixelSpacing")
    return DicomFile(path, header.size, whole_number(dataset, "BitsAllocated", path) or 0, has_spacing)
