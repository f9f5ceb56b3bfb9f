# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Inference data of the mass bundles: the masses of a data set, or images with boxes that a reader drew."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from monai_acdr.data.image_headers import is_dicom_file
from monai_acdr.data.images import image_data_list
from monai_acdr.data.masses import find_mass_source, mass_data_list

__all__ = ["mass_inference_list", "read_boxes"]

BOX_COLUMNS = ("file", "x0", "y0", "x1", "y1")
"""Columns of a table of boxes: name of the image's file, and the box in pixels of that file."""

_MAX_BOXES_BYTES = 10_000_000


def mass_inference_list(
    dataset_dir: str | Path,
    source: str | None = None,
    group: str | None = None,
    boxes: str | Path | None = None,
    pattern: str | None = None,
    *,
    structure: str = "mass",
    **options: Any,
) -> list[dict[str, Any]]:
    """List the images or masses for inference.

    Args:
        dataset_dir: a data set that :func:`mass_data_list` knows, or an image (DICOM or picture), or a folder of them.
        source: see :func:`mass_data_list`; None recognizes it, and takes the folder as images if it is not a data set.
        group: of the data set; None or ``all`` for all of it.
        boxes: CSV with the columns :data:`BOX_COLUMNS`, one row per mass; the images it names are inferred on.
        structure: name of what the boxes enclose: item ``a.png`` with a box gets the name ``a-mass1``. Characters that
            are not allowed in a file name become ``-``.
        pattern: keep only images whose path matches, see :func:`monai_acdr.data.image_data_list`.
        options: of the source.

    Returns:
        Items of :func:`mass_data_list`; or, for images, ``image``, ``name``, ``has_spacing`` and, from ``boxes``,
        ``box``.

    Raises:
        FileNotFoundError: when ``dataset_dir`` or ``boxes`` does not exist.
        ValueError: when nothing is left to infer on, or a row of ``boxes`` is malformed or names no image.
    """
    path = Path(dataset_dir)
    if boxes is None and path.is_dir() and (source is not None or _is_data_set(path)):
        return mass_data_list(path, source, None if group in (None, "all") else group, **options)
    images = image_data_list(path, pattern)
    for item in images:  # the reader refuses a mammogram that does not tell its spacing, so those it reads have one
        item["has_spacing"] = is_dicom_file(Path(item["image"]))
    return images if boxes is None else _boxed(images, read_boxes(boxes), Path(boxes), structure)


def read_boxes(path: str | Path) -> list[tuple[str, list[float]]]:
    """Read a table of boxes.

    Returns:
        (file name, [x0, y0, x1, y1]) of each row, in the order of the file.

    Raises:
        FileNotFoundError: when there is no such file.
        ValueError: naming the row, when a column is missing or a box is malformed.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"Expected a table of boxes, but {path} does not exist: check `boxes`.")
    if path.stat().st_size > _MAX_BOXES_BYTES:
        raise ValueError(f"Expected a table of boxes, but {path} has over {_MAX_BOXES_BYTES} bytes: check `boxes`.")
    with path.open(encoding="utf-8-sig", newline="") as stream:
        reader = csv.DictReader(stream)
        missing = [column for column in BOX_COLUMNS if column not in (reader.fieldnames or [])]
        if missing:
            raise ValueError(f"Expected the columns {','.join(BOX_COLUMNS)} in {path}, but {missing} are not there.")
        return [_row(path, number, row) for number, row in enumerate(reader, start=2)]


def _row(path: Path, number: int, row: dict[str, str]) -> tuple[str, list[float]]:
    try:
        box = [float(row[column]) for column in BOX_COLUMNS[1:]]
    except (TypeError, ValueError):
        box = []
    if len(box) != 4 or not (box[0] < box[2] and box[1] < box[3]):
        raise ValueError(
            f"Expected numbers x0 < x1 and y0 < y1 in line {number} of {path}, but got "
            f"{[row.get(column) for column in BOX_COLUMNS[1:]]}."
        )
    return (row["file"] or "").strip(), box


def _boxed(
    images: Sequence[dict[str, Any]], boxes: Sequence[tuple[str, list[float]]], table: Path, structure: str
) -> list[dict[str, Any]]:
    """One item for each box; several boxes of an image are numbered."""
    by_file: dict[str, dict[str, Any]] = {}
    for item in images:
        by_file[Path(item["image"]).name] = item
        by_file.setdefault(Path(item["image"]).stem, item)
    unknown = sorted({name for name, _ in boxes if name not in by_file})
    if unknown:
        raise ValueError(f"Expected {table} to name images of the folder, but {unknown[:5]} are not there.")
    if not boxes:
        raise ValueError(f"Expected boxes in {table}, but it has no row.")
    word = re.sub(r"[^\w.+]+", "-", structure).strip("-.") or "object"
    count: dict[str, int] = {}
    items = []
    for name, box in boxes:
        item = by_file[name]
        count[item["name"]] = count.get(item["name"], 0) + 1
        items.append({**item, "name": f"{item['name']}-{word}{count[item['name']]}", "box": box})
    return items


def _is_data_set(folder: Path) -> bool:
    try:
        find_mass_source(folder)
    except ValueError:
        return False
    return True
