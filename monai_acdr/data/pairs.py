# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Data list of any data set of images and masks: ``images/`` and ``masks/``, and a table where there is one."""

from __future__ import annotations

import logging
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import ndimage

from monai_acdr.data.image_headers import is_dicom_file, read_image_header
from monai_acdr.data.mask_outline import MaskOutline, file_size, object_outlines, read_mask
from monai_acdr.data.pair_files import find_pairs
from monai_acdr.data.pair_groups import assign_groups, items_of_group
from monai_acdr.data.pair_tables import PAIR_COLUMNS, TablePair, pairs_of_table
from monai_acdr.data.report import QualityReport
from monai_acdr.geometry import signed_area

__all__ = ["pair_folder_data_list"]

_logger = logging.getLogger(__name__)

_KEPT = ("paired_by_order", "several_objects", "ambiguous_pair")
"""Findings about pairs that were kept."""

_SIDE = re.compile(r"(?:^|[_\- .])(L|R|LEFT|RIGHT)(?=$|[_\- .])", re.IGNORECASE)
_VIEW = re.compile(r"(?:^|[_\- .])(CC|MLO)(?=$|[_\- .])", re.IGNORECASE)


def pair_folder_data_list(
    dataset_dir: str | Path,
    group: str | None = None,
    table: str | Path | None = None,
    split: str | Path | int | None = None,
    folds: int | None = None,
    fold: int | None = None,
    report: QualityReport | None = None,
    where: Mapping[str, str | Sequence[str]] | None = None,
    split_components: bool = False,
    min_area: float = 0.0,
) -> list[dict[str, Any]]:
    """List the pairs of image and mask of a folder, in natural order of groups and names.

    Layouts: ``images/`` and ``masks/``, or ``<group>/images/`` and ``<group>/masks/``, or both kinds in one folder;
    names are compared as :func:`~monai_acdr.data.pair_files.find_pairs` says. PNG, JPEG, TIFF, BMP and DICOM; masks
    have the values 0 and 1, 0 and 255, or 0 and 65535.

    Args:
        dataset_dir: folder of the data set.
        group: "training", "validation", "test" or another group that occurs; None for all.
        table: CSV; None takes ``index.csv`` of the folder if it is there. Columns, in any order: ``image`` or
            ``file``; optional ``mask``, ``patient``, ``group`` or ``split``, ``laterality``, ``view``, ``birads``,
            ``pathology``; all others go into the items under their own names. With a table, its rows are the data set.
        split: see :func:`~monai_acdr.data.pair_groups.assign_groups`; None takes the table's or the folders' groups,
            and without these halves of the patients, the same ones everywhere.
        folds: number of folds by patient; the items of fold ``fold`` are "test", all others "training".
        fold: from 0.
        report: filled with what was left out, and why, and with counts.
        where: keep rows with these values, as in ``{"mass_like": "1", "view": ["CC", "MLO"]}``.
        split_components: one item for each object of a mask, instead of one for the mask.
        min_area: with ``split_components``, objects of fewer square pixels are left out.

    Returns:
        One dict a mask: ``image`` and ``label`` (paths), ``name``, ``patient``, ``group``, ``has_spacing``,
        ``laterality`` and ``view`` (from the table, else from names such as ``P1_L_CC``), ``birads``, ``pathology``;
        None where unknown. A mask in DICOM, and each object with ``split_components``, comes as ``contour`` ((N, 2)
        vertices in pixels, or a lazy :class:`~monai_acdr.data.mask_outline.MaskOutline`) instead of ``label``; objects
        also have ``component``, 1 for the largest. Without a patient column each image is a patient of its own.

    Raises:
        FileNotFoundError: when the folder or the table does not exist.
        ValueError: when nothing usable is found, or a patient would be in two groups.
    """
    root = Path(dataset_dir)
    report = QualityReport() if report is None else report
    if not root.is_dir():
        raise FileNotFoundError(f"Expected the folder of a data set, but {root} is none: check `dataset_dir`.")
    pairs = _pairs(root, table, where, report)
    names = _names(pairs)
    items = [
        item
        for pair, name in zip(pairs, names, strict=True)
        for item in _items(root, pair, name, min_area if split_components else None, report)
    ]
    if not items:
        reasons = [f"{finding.subject}: {finding.detail}" for finding in report.findings[:1]]
        raise ValueError(
            f"Expected images/ and masks/ with files of the same names in {root}, but found no usable pair (left out: "
            f"{report.kinds() or 'nothing'}{'; `where` matched no row' if where and not pairs else ''}): check the "
            f"folder and the table. {' '.join(reasons)}".rstrip()
        )
    items = assign_groups(items, split, folds, fold, report)
    report.layout = report.layout or "pairs"
    report.counts |= {
        "images": len({item["image"] for item in items}),
        "masks": len(items),
        "patients": len({item["patient"] for item in items}),
    }
    report.log(_logger, root, _KEPT)
    return items_of_group(items, group)


def _pairs(
    root: Path, table: str | Path | None, where: Mapping[str, str | Sequence[str]] | None, report: QualityReport
) -> list[TablePair]:
    path = root / "index.csv" if table is None else Path(table)
    if table is None and not os.path.lexists(path):  # what is no regular file is an error of the reader
        if where:
            raise ValueError(f"Expected a table for `where`, but {path} does not exist: write it, or pass `table`.")
        return [TablePair(pair.image, pair.mask, pair.group, {}) for pair in find_pairs(root, report)]
    return pairs_of_table(root, path, where or {}, report)


def _names(pairs: Sequence[TablePair]) -> list[str]:
    """A unique name for each pair: the image's, with its group or a number where it occurs more than once."""
    stems = Counter(pair.image.stem for pair in pairs)
    named = [
        f"{pair.group.replace('/', '-')}-{pair.image.stem}" if stems[pair.image.stem] > 1 and pair.group else None
        for pair in pairs
    ]
    names = [name or pair.image.stem for name, pair in zip(named, pairs, strict=True)]
    seen: Counter[str] = Counter()
    unique = []
    for name in names:
        seen[name] += 1
        unique.append(name if seen[name] == 1 else f"{name}-{seen[name]}")
    return unique


def _items(
    root: Path, pair: TablePair, name: str, min_area: float | None, report: QualityReport
) -> Iterator[dict[str, Any]]:
    """Items of one pair; none, with a finding, when it cannot be used."""
    size, has_spacing = _image(root, pair.image, report)
    mask = _mask(root, pair.mask, size, report) if size else None
    if size is None or mask is None:
        return
    item = _metadata(pair, name) | {"has_spacing": has_spacing}
    if min_area is not None:
        yield from _components(item, mask, min_area, report)
        return
    objects = int(ndimage.label(mask, np.ones((3, 3)))[1])
    if objects > 1:
        report.add("several_objects", name, f"{objects} objects")
    is_dicom = is_dicom_file(pair.mask)
    yield item | ({"contour": MaskOutline(str(pair.mask), size)} if is_dicom else {"label": str(pair.mask)})


def _components(
    item: dict[str, Any], mask: np.ndarray, min_area: float, report: QualityReport
) -> Iterator[dict[str, Any]]:
    """One item for each object. Objects inside the hole of another count as well."""
    for number, outline in enumerate(object_outlines(mask), start=1):
        name = f"{item['name']}-{number}"
        area = float(signed_area(torch.from_numpy(outline)))
        if area < min_area:
            report.add("small_object", name, f"{area:.1f} square pixels")
        else:
            yield item | {"contour": outline, "name": name, "component": number}


def _metadata(pair: TablePair, name: str) -> dict[str, Any]:
    row, stem = pair.row, pair.image.stem
    side, view = _SIDE.search(stem), _VIEW.search(stem)
    in_name = (side[1][0].upper(), view[1].upper()) if side and view else (None, None)
    other = {column: cell for column, cell in row.items() if column not in PAIR_COLUMNS}
    laterality = row.get("laterality", "")[:1].upper()
    return other | {
        "image": str(pair.image),
        "name": name,
        "patient": row.get("patient") or name,
        "group": pair.group,
        "laterality": laterality if laterality in ("L", "R") else in_name[0],
        "view": row.get("view", "").upper() or in_name[1],
        "birads": row.get("birads") or None,
        "pathology": row.get("pathology") or None,
    }


def _image(root: Path, path: Path, report: QualityReport) -> tuple[tuple[int, int] | None, bool]:
    """(H, W), None with a finding when the image cannot be used; and whether it tells its pixel spacing."""
    try:
        size = file_size(path)
        return size, is_dicom_file(path) and read_image_header(path).has_spacing
    except (OSError, ValueError) as error:
        report.add("invalid_image", path.relative_to(root).as_posix(), str(error))
        return None, False


def _mask(root: Path, path: Path, size: tuple[int, int], report: QualityReport) -> np.ndarray | None:
    """The mask; None, with a finding, when it cannot be used."""
    subject = path.relative_to(root).as_posix()
    try:
        if file_size(path) != size:
            report.add("mask_size", subject, f"mask {file_size(path)}, image {size} (H, W)")
            return None
        return read_mask(path)
    except (OSError, ValueError) as error:
        report.add("empty_mask" if "is empty" in str(error) else "invalid_mask", subject, str(error))
        return None
