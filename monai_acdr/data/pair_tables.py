# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Tables of image and mask pairs: selected rows, and the files that each row names."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from monai_acdr.data.files import natural_key
from monai_acdr.data.mass_tables import first_of, path_parts, read_table
from monai_acdr.data.pair_files import Pair, file_stem, find_pairs, image_names
from monai_acdr.data.pair_groups import group_name
from monai_acdr.data.report import QualityReport

__all__ = ["PAIR_COLUMNS", "pairs_of_table"]

_ALIASES: dict[str, tuple[str, ...]] = {
    "image": ("image", "file", "image_file", "image_path", "filename", "file_name"),
    "mask": ("mask", "label", "mask_file", "mask_path"),
    "patient": ("patient", "patient_id", "case", "subject"),
    "group": ("group", "split", "subset"),
    "laterality": ("laterality", "side", "breast"),
    "view": ("view", "image_view"),
    "birads": ("birads", "bi-rads", "bi_rads", "assessment"),
    "pathology": ("pathology",),
}
"""Columns with a meaning, and the names by which they go."""

PAIR_COLUMNS = frozenset(
    {*(name for names in _ALIASES.values() for name in names), "contour", "name", "component", "has_spacing"}
)
"""Columns that an item does not hold as they are."""


def pairs_of_table(
    root: Path, table: Path, row_filter: Mapping[str, str | Sequence[str]], report: QualityReport
) -> list[Pair]:
    """The files of each row, in natural order of groups and names.

    Args:
        root: folder of the data set, which holds all files that the rows name.
        table: CSV file.
        row_filter: values of columns that a row has to have.
        report: receives rows that are refused or have no files, and images without row.

    Raises:
        FileNotFoundError: when there is no such table.
        ValueError: when it is not a table of images, or has no such column.
    """
    rows = _read_rows(table)
    requested = _requested_values(row_filter, rows, table)
    # Where the table names all masks, names and order of the files say nothing.
    names_masks = all(row["mask"] for row in rows)
    pairs = [] if names_masks else find_pairs(root, report)
    index, found = _Index(pairs), []
    named: set[Path] = set()
    for number, row in enumerate(rows, start=1):
        subject = f"{table.name}, row {number}"
        try:
            pair = _named_pair(root, row) if row["mask"] else index.find(row["image"], row["group"])
        except ValueError as error:
            report.add("invalid_row", subject, str(error))
            continue
        if pair is not None:
            named |= {pair.image, pair.mask}
        if any(row.get(column, "") not in values for column, values in requested.items()):
            continue
        if pair is None:
            report.add("annotation_without_image", subject, f"{row['image']} {row['mask']}".strip())
        else:
            group = row["group"] or pair.group
            found.append(Pair(pair.image, pair.mask, group_name(group), row))
    files = _files_beside(root, named, report) if names_masks else [pair.image for pair in pairs]
    for path in files:
        if path not in named:
            report.add("not_in_table", path.relative_to(root).as_posix())
    return sorted(found, key=lambda p: (natural_key(p.group), natural_key(p.image.name), natural_key(p.mask.name)))


def _files_beside(root: Path, named: Collection[Path], report: QualityReport) -> list[Path]:
    """Images and masks in the folders of the named ones; other folders may hold anything."""
    folders = {path.parent for path in named}
    return [folder / name for folder, names in image_names(root, report).items() if folder in folders for name in names]


def _read_rows(path: Path) -> list[dict[str, str]]:
    """All rows; columns get their usual names in addition to their own."""
    rows = read_table(path)
    columns = {name for row in rows for name in row}
    if not columns & set(_ALIASES["image"]):
        raise ValueError(
            f"Expected rows with a column `image` or `file` in {path}, but got {len(rows)} rows "
            f"with {sorted(columns)}: name it so."
        )
    return [row | {name: first_of(row, *aliases) for name, aliases in _ALIASES.items()} for row in rows]


def _requested_values(
    row_filter: Mapping[str, str | Sequence[str]], rows: Sequence[Mapping[str, str]], path: Path
) -> dict[str, set[str]]:
    columns = {name for row in rows for name in row}
    requested = {
        key.strip().lower(): set(map(str, [values] if isinstance(values, (str, int, float)) else values))
        for key, values in row_filter.items()
    }
    if not requested.keys() <= columns:
        raise ValueError(
            f"Expected `row_filter` to name columns of {path}, {sorted(columns)}, but got {sorted(requested)}."
        )
    return requested


def _named_pair(root: Path, row: Mapping[str, str]) -> Pair | None:
    image = _resolve(root, "images", row["image"])
    mask = _resolve(root, "masks", row["mask"])
    return Pair(image, mask) if image and mask else None


def _resolve(root: Path, folder: str, text: str) -> Path | None:
    relative = Path(*path_parts(text))
    return next((path for path in (root / relative, root / folder / relative) if os.path.isfile(path)), None)


class _Index:
    """Finds pairs by the image's path, name or stem."""

    def __init__(self, pairs: Sequence[Pair]) -> None:
        self._by_name: dict[str, list[Pair]] = defaultdict(list)
        for pair in pairs:
            self._by_name[pair.image.name].append(pair)
            self._by_name[file_stem(pair.image)].append(pair)

    def find(self, text: str, group: str) -> Pair | None:
        """The pair of an image; of several of the same name, the one of the group.

        Raises:
            ValueError: when the path is refused, or several images fit.
        """
        parts = path_parts(text)
        fitting = [p for p in self._by_name.get(parts[-1], []) if p.image.parts[-len(parts) : -1] == parts[:-1]]
        if len(fitting) > 1:
            fitting = [pair for pair in fitting if group_name(pair.group) == group_name(group)]
            if len(fitting) != 1:
                raise ValueError(f"Expected one image {text!r}, but there are several: write its path in the table.")
        return fitting[0] if fitting else None
