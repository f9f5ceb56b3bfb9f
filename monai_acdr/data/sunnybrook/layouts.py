# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Detection of the four layouts of Sunnybrook Cardiac Data; see :func:`find_layout`."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from monai_acdr.data.files import walk_data_set
from monai_acdr.data.report import QualityReport
from monai_acdr.data.sunnybrook.cases import parse_group

__all__ = [
    "CONTOUR_NAME",
    "FrameFiles",
    "Keep",
    "LAYOUTS",
    "PngFolder",
    "Tree",
    "find_layout",
    "path_part",
    "png_folders",
    "scan_tree",
]

LAYOUTS: dict[str, str] = {
    "link": "link.csv, dicoms/<patient_id>/<frame>.dcm, "
    "contourfiles/<original_id>/i-contours/IM-0001-<frame>-icontour-manual.txt",
    "png": "<group>/images/NAME.png with <group>/endo_masks/NAME.png",
    "miccai": "MICCAI 2009: <group>/SC-HF-I-1/IM-0004-0048.dcm with "
    "SC-HF-I-01/contours-manual/IRCCI-expert/IM-0001-0048-icontour-manual.txt",
    "atlas": "Cardiac Atlas Project: SCD0000101/CINESAX_300/IM-0003-0059.dcm with "
    "SC-HF-I-01/contours-manual/IRCCI-expert/IM-0001-0059-icontour-manual.txt",
}
"""Layouts and the files they are recognized by."""

CONTOUR_NAME = re.compile(r"IM-\d+-(\d{1,9})-([io])contour-manual\.txt", re.IGNORECASE)
"""Contour file: the first number is constant, the last one is the frame; i is the endocardium, o the epicardium."""

PATIENT_FOLDER = re.compile(r"SC-(HF-I|HF-NI|HYP|N)-\d{1,4}", re.IGNORECASE)
ATLAS_FOLDER = re.compile(r"SCD\d{7}", re.IGNORECASE)
CINE_FOLDER = re.compile(r"CINESAX_.*", re.IGNORECASE)

Tree = dict[Path, list[str]]
"""Folders with their sorted file names."""

Keep = Callable[[str, str], bool]
"""Whether the patient (first argument) of the group (second argument) is wanted."""


@dataclass(frozen=True)
class FrameFiles:
    """The files of one labeled frame; ``label`` is the endocardium, ``epi`` the epicardium."""

    name: str
    patient: str
    group: str
    frame: int
    image: Path
    label: Path
    epi: Path | None = None


_OTHER_DATA = (
    "Mammograms (INbreast, DDSM, CBIS-DDSM) and folders of images/ and masks/ have no such layout: the report that "
    "`mass_data_list(folder, report=report)` of monai_acdr.data fills checks them, see docs/how-to/mammography.md, "
    "'Findings'."
)

_SUFFIXES = (".txt", ".dcm", ".png", ".csv")
"""Files of the four layouts."""


def scan_tree(root: Path, report: QualityReport | None = None) -> Tree:
    """List ``root`` once for all layouts; ``report`` receives paths that are not regular files."""
    return dict(walk_data_set(root, _SUFFIXES, QualityReport() if report is None else report))


def find_layout(root: Path, tree: Tree) -> str:
    """Recognize the layout of a folder, which may also be nested in ``root``.

    Returns:
        A key of ``LAYOUTS``.

    Raises:
        ValueError: when there is no file, no layout, or more than one.
    """
    found = [layout for layout in LAYOUTS if _HAS[layout](tree)]
    if len(found) == 1:
        return found[0]
    if found:
        raise ValueError(
            f"Expected one layout of Sunnybrook Cardiac Data in {root}, but found {found}: "
            "pass the folder of one of them, or choose by `layout`."
        )
    if not any(tree.values()):
        raise ValueError(
            f"Expected Sunnybrook Cardiac Data in {root}, but the folder is empty: unpack the archives there."
        )
    hint = ""
    if _has_contours(tree) or any(path_part(folder, PATIENT_FOLDER, ATLAS_FOLDER) for folder in tree):
        hint = " Some patient folders are there: images and contours come in separate archives, unpack both."
    tables = [folder / "link.csv" for folder in tree if os.path.lexists(folder / "link.csv")]
    if tables:
        hint += f" {tables[0]} is not a regular file: copy the table again."
    known = "".join(f"\n  {name}: {text}" for name, text in LAYOUTS.items())
    raise ValueError(
        f"Expected one of the four layouts of Sunnybrook Cardiac Data in {root}, but found none.{hint} "
        f"These were looked for:{known}\n{_OTHER_DATA}"
    )


def path_part(folder: Path, *patterns: re.Pattern[str]) -> str | None:
    """The innermost folder name of a path that matches one of the patterns."""
    return next((part for part in reversed(folder.parts) if any(p.fullmatch(part) for p in patterns)), None)


def has_suffix(names: list[str], suffix: str) -> bool:
    """Whether a file name ends with one of the suffixes, in any case."""
    return any(name.lower().endswith(suffix) for name in names)


def _has_contours(tree: Tree) -> bool:
    return any(
        path_part(folder, PATIENT_FOLDER) and any(CONTOUR_NAME.fullmatch(name) for name in names)
        for folder, names in tree.items()
    )


def _has_images(tree: Tree, *patterns: re.Pattern[str]) -> bool:
    return any(
        all(path_part(folder, pattern) for pattern in patterns) and has_suffix(names, ".dcm")
        for folder, names in tree.items()
    )


@dataclass(frozen=True)
class PngFolder:
    """A folder that holds ``images`` and ``endo_masks``; ``group`` is None unless its name is a group's."""

    folder: Path
    group: str | None


def png_folders(tree: Tree) -> list[PngFolder]:
    """All folders with PNG pairs."""
    parents = [folder.parent for folder in tree if folder.name == "images" and folder.parent / "endo_masks" in tree]
    return [PngFolder(folder, _group_of_folder(folder)) for folder in parents]


def _group_of_folder(folder: Path) -> str | None:
    try:
        return parse_group(folder.absolute().name)
    except ValueError:
        return None


_HAS: dict[str, Callable[[Tree], bool]] = {
    "link": lambda tree: any("link.csv" in names for names in tree.values()),
    "png": lambda tree: bool(png_folders(tree)),
    "miccai": lambda tree: _has_contours(tree) and _has_images(tree, PATIENT_FOLDER),
    "atlas": lambda tree: _has_contours(tree) and _has_images(tree, ATLAS_FOLDER, CINE_FOLDER),
}
