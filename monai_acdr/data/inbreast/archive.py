# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Files of INbreast's archive, by image number."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from monai_acdr.data.files import walk_data_set, walk_files
from monai_acdr.data.inbreast.tables import InbreastRow, read_inbreast_table
from monai_acdr.data.report import QualityReport

__all__ = ["Archive", "InbreastImage", "open_archive"]

_IMAGE = re.compile(r"(\d{1,18})_([0-9a-f]{1,64})_MG_([LR])_([A-Z]{1,5})_ANON\.dcm", re.IGNORECASE | re.ASCII)
_OUTLINE = re.compile(r"(\d{1,18})\.xml", re.IGNORECASE | re.ASCII)
_TABLES = ("inbreast.csv", "inbreast.xls")

T = TypeVar("T")


@dataclass(frozen=True)
class InbreastImage:
    """One DICOM file and what its name says; INbreast's names have ``ML`` where the table has ``MLO``."""

    path: Path
    patient: str
    laterality: str
    view: str


@dataclass(frozen=True)
class Archive:
    """What the archive holds, each by the image's number."""

    root: Path
    images: dict[str, InbreastImage]
    outlines: dict[str, Path]
    rows: dict[str, InbreastRow]

    @property
    def numbers(self) -> list[str]:
        """All image numbers, sorted."""
        return sorted(self.images.keys() | self.outlines.keys() | self.rows.keys(), key=lambda text: (int(text), text))


def open_archive(folder: Path, report: QualityReport) -> Archive:
    """Find the archive in ``folder`` or below it, and list it.

    Raises:
        FileNotFoundError: when a folder or the table is absent.
    """
    root = _find_root(folder)
    children = {child.name.lower(): child for child in sorted(root.iterdir())}
    table = next((children[name] for name in _TABLES if name in children), None)
    if "allxml" not in children or table is None:
        raise FileNotFoundError(
            f"Expected AllXML and INbreast.csv or INbreast.xls beside {children['alldicoms']}, but found "
            f"{sorted(child.name for child in children.values())[:12]}: unpack the whole archive."
        )
    rows = _unique(((row.image, row) for row in read_inbreast_table(table)), report)
    outlines = _unique(_outlines(children["allxml"], report), report)
    return Archive(root, _unique(_images(children["alldicoms"], report), report), outlines, rows)


def _find_root(folder: Path) -> Path:
    if not folder.is_dir():
        raise FileNotFoundError(f"Expected the folder of INbreast, but {folder} is none: check `dataset_dir`.")
    for found, _ in walk_files(folder):
        if any(child.name.lower() == "alldicoms" and child.is_dir() for child in found.iterdir()):
            return found
    raise FileNotFoundError(
        f"Expected AllDICOMs, AllXML and INbreast.csv in {folder}, but found no folder AllDICOMs: unpack the archive "
        "of INbreast ('INbreast Release 1.0') and pass its folder."
    )


def _images(folder: Path, report: QualityReport) -> Iterable[tuple[str, InbreastImage]]:
    for parent, names in walk_data_set(folder, (".dcm",), report):
        for name in names:
            match = _IMAGE.fullmatch(name)
            if match:
                number, patient, side, view = match.groups()
                yield number, InbreastImage(parent / name, patient.lower(), side.upper(), view.upper())
            elif name.lower().endswith(".dcm"):
                report.add("unknown_image_name", name)


def _outlines(folder: Path, report: QualityReport) -> Iterable[tuple[str, Path]]:
    for parent, names in walk_data_set(folder, (".xml",), report):
        for name in names:
            match = _OUTLINE.fullmatch(name)
            if match:
                yield match[1], parent / name


def _unique(pairs: Iterable[tuple[str, T]], report: QualityReport) -> dict[str, T]:
    found: dict[str, T] = {}
    for number, value in pairs:
        if number in found:
            report.add("duplicate_image", number, f"{type(value).__name__}, the first one counts")
        found.setdefault(number, value)
    return found
