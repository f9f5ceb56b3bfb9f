# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Data list of the masses of CBIS-DDSM, the DICOM re-release of DDSM, from its downloads as they are.

Downloads differ: the tables say ``<subject>/<study>/<series>/000000.dcm``, newer downloads rename the files
(``1-1.dcm``) or the folders. In many rows the columns of crop and mask are swapped, so contents decide.
"""

from __future__ import annotations

import logging
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from monai_acdr.data.files import natural_key, walk_data_set, walk_files
from monai_acdr.data.image_headers import is_dicom_file, read_image_header
from monai_acdr.data.mask_outline import MaskOutline
from monai_acdr.data.report import QualityReport
from monai_acdr.data.splits import items_of_group
from monai_acdr.data.text_files import first_of, path_parts, read_table
from monai_acdr.dicom import read_gray_image
from monai_acdr.dicom.elements import is_present, whole_number
from monai_acdr.dicom.files import load_dataset
from monai_acdr.read_budget import check_pixels

__all__ = [
    "CBIS_TABLES",
    "CbisFiles",
    "DicomFile",
    "cbis_ddsm_data_list",
    "choose_mask",
    "load_cbis_mask",
]

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
        report: receives what is not a file, as ``not_a_file``.
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
        """Files that a path in a table means: the file itself, otherwise those of its folder or its subject.

        Raises:
            ValueError: for a path that leaves the data set.
        """
        *requested, name = path_parts(text)
        if not requested:
            return []
        subject = self._folders.get(requested[0], [])
        series = [files for parts, files in subject if parts[-len(requested) :] == tuple(requested)]
        exact = [path for files in series for path in files if path.name == name]
        found = exact or [path for files in series or [files for _, files in subject] for path in files]
        self._unnamed -= {path.parent for path in found}
        return found

    def unnamed_folders(self) -> list[str]:
        """Folders with files that no path so far referred to, relative to the root, in natural order.

        Folders of calcifications, which other tables name, are ignored.
        """
        return sorted((folder.relative_to(self.root).as_posix() for folder in self._unnamed), key=natural_key)

    def header(self, path: Path) -> DicomFile:
        """The header of a file, read once.

        Raises:
            ValueError: when it is not a complete DICOM image; the message names the file.
        """
        if path not in self._headers:
            self._headers[path] = _read_header(path)
        return self._headers[path]


def choose_mask(files: Sequence[DicomFile], image_size: tuple[int, int]) -> DicomFile | None:
    """The mask among the files of crop and mask; None when none of them is one.

    A crop has 16 bits, a mask 8. Where that does not leave exactly one file, files with two values are masks, and among
    several the one nearest to the image's size is chosen.
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
    except ValueError:  # what cannot be decoded is not a mask
        return False
    return bool(np.isin(values, (values.min(), values.max())).all())


def _read_header(path: Path) -> DicomFile:
    if not is_dicom_file(path):
        raise ValueError(f"Expected a DICOM file, but {path} is not one: copy it again.")
    header = read_image_header(path)
    check_pixels(path, header.size)
    keywords = ["BitsAllocated", "ImagerPixelSpacing"]
    dataset = load_dataset(path, header_only=True, force=True, keywords=keywords)
    has_spacing = header.has_spacing or is_present(dataset, "ImagerPixelSpacing")
    return DicomFile(path, header.size, whole_number(dataset, "BitsAllocated", path) or 0, has_spacing)


CBIS_TABLES = {
    "training": "mass_case_description_train_set.csv",
    "test": "mass_case_description_test_set.csv",
}
"""The official groups and their tables; patients do not overlap."""

_PATIENT = re.compile(r"P_\d{1,9}")
_SIDES = {"LEFT": "L", "RIGHT": "R", "L": "L", "R": "R"}

_logger = logging.getLogger(__name__)


def cbis_ddsm_data_list(
    dataset_dir: str | Path, group: str | None = None, report: QualityReport | None = None
) -> list[dict[str, Any]]:
    """List the masses of CBIS-DDSM, sorted by patient, side, view and abnormality.

    The folder holds ``mass_case_description_{train,test}_set.csv`` and, anywhere below it, the folders
    ``Mass-Training_P_00001_LEFT_CC`` of the images and ``Mass-Training_P_00001_LEFT_CC_1`` of crops and masks. Only
    headers are read here; masks are traced when they are used. Of DICOM's and the tables' identifiers only the public
    ``P_00001`` is a patient: PatientID differs from view to view.

    Args:
        dataset_dir: folder of the data set.
        group: "training" or "test", the official split; None for both.
        report: filled with what was left out, and why, and with counts.

    Returns:
        One dict per mass: ``image`` (path), ``contour`` (lazy vertices in pixels of the image,
        :class:`~monai_acdr.data.mask_outline.MaskOutline`, also of masks of another size; see :func:`load_cbis_mask`),
        ``name`` ("P_00001_LEFT_CC_1"), ``patient`` ("P_00001"), ``group``, ``laterality``, ``view``, ``birads``
        (assessment), ``pathology``, ``subtlety``, ``shape``, ``margins``, ``density``, None where empty, and
        ``has_spacing``: the published files do not state their pixel spacing.

    Raises:
        FileNotFoundError: when the folder or its tables are absent.
        ValueError: when no mass is found, or there is no such group.
    """
    root = Path(dataset_dir)
    report = QualityReport() if report is None else report
    tables = _tables(root)
    files = CbisFiles(root, report)
    items: dict[tuple[str, str], dict[str, Any]] = {}
    for found, table in tables.items():
        for number, row in enumerate(read_table(table), start=1):
            item = _item(row, f"{table.name}, row {number}", files, report)
            if item is not None and (found, item["name"]) in items:
                report.add("duplicate_image", f"{table.name}, row {number}", item["name"])
            elif item is not None:
                items[found, item["name"]] = item | {"group": found}
    for folder in files.unnamed_folders():
        report.add("not_in_table", folder)
    kept = _apart(sorted(items.values(), key=lambda item: natural_key(item["name"])), report)
    if not kept:
        raise ValueError(
            f"Expected folders such as Mass-Training_P_00001_LEFT_CC with .dcm files below {root}, but found no mass "
            f"of {', '.join(table.name for table in tables.values())} (left out: {report.kinds() or 'nothing'}): "
            "download the images as well, or pass the folder that holds both."
        )
    report.layout = report.layout or "cbis_ddsm"
    report.counts |= {
        "images": len({item["image"] for item in kept}),
        "masses": len(kept),
        "patients": len({item["patient"] for item in kept}),
    }
    report.log(_logger, root, ("mask_resized",))
    return items_of_group(kept, group)


def load_cbis_mask(item: Mapping[str, Any]) -> np.ndarray:
    """The mask of an item of :func:`cbis_ddsm_data_list` on the image's grid, (H, W) bool; resized where it has to be.

    Raises:
        ValueError: when the file cannot be used; the message names it.
    """
    outline = item.get("contour")
    if not isinstance(outline, MaskOutline):
        raise ValueError(f"Expected an item of cbis_ddsm_data_list, but its `contour` is {type(outline).__name__}.")
    return outline.mask()


def _tables(root: Path) -> dict[str, Path]:
    if not root.is_dir():
        raise FileNotFoundError(f"Expected the folder of CBIS-DDSM, but {root} is not one: check `dataset_dir`.")
    found: dict[str, Path] = {}
    for folder, names in walk_files(root):
        for group, table in CBIS_TABLES.items():
            tables = [folder / name for name in names if name.lower() == table]
            if tables and group not in found:
                found[group] = tables[0]
    if not found:
        raise FileNotFoundError(
            f"Expected {' and '.join(CBIS_TABLES.values())} in {root}, but found neither: download them beside the "
            "images (they are on the data set's page, not among the DICOM files)."
        )
    return {group: found[group] for group in CBIS_TABLES if group in found}


def _item(row: Mapping[str, str], subject: str, files: CbisFiles, report: QualityReport) -> dict[str, Any] | None:
    """The item of one row, before the group; None, with a finding, when it cannot be used."""
    try:
        images = files.find(row.get("image_file_path", ""))
        others = _mask_candidates(row, files)
        facts = _facts(row)
    except ValueError as error:
        report.add("invalid_row", subject, str(error))
        return None
    if not images or not others:
        report.add("annotation_without_image", subject, f"{facts['name']}: no {'mask' if images else 'mammogram'}")
        return None
    headers = _headers(images, files, "invalid_image", report)
    if not headers:
        return None
    image = max(headers, key=lambda file: file.bits)
    mask = choose_mask(_headers(others, files, "invalid_mask", report), image.size)
    if mask is None:
        report.add("invalid_mask", subject, f"{facts['name']}: none of {[path.name for path in others]} is a mask")
        return None
    if mask.size != image.size:
        report.add("mask_resized", facts["name"], f"mask {mask.size}, image {image.size} (H, W)")
    outline = MaskOutline(str(mask.path), image.size)
    return {"image": str(image.path), "contour": outline, **facts, "has_spacing": image.has_spacing}


def _headers(paths: Sequence[Path], files: CbisFiles, kind: str, report: QualityReport) -> list[DicomFile]:
    """Headers of the files that can be used; the others become findings."""
    headers = []
    for path in paths:
        try:
            headers.append(files.header(path))
        except (OSError, ValueError) as error:
            report.add(kind, path.relative_to(files.root).as_posix(), str(error))
    return headers


def _mask_candidates(row: Mapping[str, str], files: CbisFiles) -> list[Path]:
    """Files of both columns, whichever the tables call the mask, without repeats."""
    texts = [row.get(column, "") for column in ("roi_mask_file_path", "cropped_image_file_path")]
    return list(dict.fromkeys(path for text in texts if text for path in files.find(text)))


def _facts(row: Mapping[str, str]) -> dict[str, Any]:
    patient = _PATIENT.search(first_of(row, "patient_id"))
    side, view = first_of(row, "left_or_right_breast", "side").upper(), first_of(row, "image_view", "view").upper()
    number = first_of(row, "abnormality_id")
    if patient is None or side not in _SIDES or view not in ("CC", "MLO") or not number.isdecimal():
        raise ValueError(
            "Expected patient_id such as P_00001, left or right breast, image view and abnormality id, but got "
            f"{first_of(row, 'patient_id')[:40]!r}, {side[:20]!r}, {view[:20]!r}, {number[:20]!r}: "
            "copy the table again."
        )
    return {
        "name": f"{patient[0]}_{side}_{view}_{int(number[:9])}",
        "patient": patient[0],
        "laterality": _SIDES[side],
        "view": view,
        "birads": first_of(row, "assessment") or None,
        "pathology": first_of(row, "pathology") or None,
        "subtlety": first_of(row, "subtlety") or None,
        "shape": first_of(row, "mass_shape") or None,
        "margins": first_of(row, "mass_margins") or None,
        "density": first_of(row, "breast_density") or None,
    }


def _apart(items: list[dict[str, Any]], report: QualityReport) -> list[dict[str, Any]]:
    """Exclude patients of the test table from training, in case both tables name them."""
    groups = defaultdict(set)
    for item in items:
        groups[item["patient"]].add(item["group"])
    mixed = {patient for patient, found in groups.items() if len(found) > 1}
    for patient in sorted(mixed):
        report.add("patient_in_two_groups", patient, "was left out of training")
    return [item for item in items if item["patient"] not in mixed or item["group"] == "test"]
