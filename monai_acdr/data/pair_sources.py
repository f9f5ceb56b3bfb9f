# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Sources of image and mask pairs: names of files and folders, tables, and JSON documents.

Documents are ``dataset.json``, MONAI's data lists, and COCO and GeoJSON files with polygons. They are untrusted: the
files they name must lie within the data set's folder, sizes are bounded, and unusable entries become findings.
"""

from __future__ import annotations

import math
import os
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from monai_acdr.data.files import natural_key, walk_data_set, walk_files
from monai_acdr.data.mask_outline import file_size, object_outlines
from monai_acdr.data.pictures import SUFFIXES
from monai_acdr.data.report import QualityReport
from monai_acdr.data.splits import group_name, is_split_name
from monai_acdr.data.text_files import first_of, path_parts, read_json, read_table
from monai_acdr.geometry import signed_area
from monai_acdr.read_budget import check_pixels

__all__ = [
    "IMAGE_SUFFIXES",
    "PAIR_COLUMNS",
    "Documents",
    "Outline",
    "Pair",
    "decode_run_lengths",
    "file_stem",
    "find_documents",
    "find_pairs",
    "image_names",
    "outlines_of_documents",
    "pair_key",
    "pairs_of_data_list",
    "pairs_of_table",
    "read_stated_labels",
    "stated_labels",
]

IMAGE_SUFFIXES = (*SUFFIXES, ".dcm", ".nii", ".nii.gz")
"""Files that are taken for images or masks."""
_OTHER_SUFFIXES = (
    *(".webp", ".gif", ".heic", ".heif", ".avif", ".jxl", ".jp2", ".j2k", ".pgm", ".ppm", ".tga", ".psd", ".svs"),
    *(".nrrd", ".nhdr", ".mha", ".mhd", ".npy", ".npz", ".mat"),
)
"""Images of formats that are not read, in a folder of images or masks."""

_IMAGE_FOLDERS = ("images", "image", "imgs", "img")
_MASK_FOLDERS = (
    *("masks", "mask", "labels", "label", "annotations", "annotation", "gt", "gts", "ground_truth", "groundtruth"),
    *("segmentations", "segmentation", "segs", "seg"),
)
"""Names of folders in lower case; of several mask folders beside the same images the first one here is taken."""
_NNUNET_SPLITS = {"tr": "training", "ts": "test", "val": "validation"}
"""Endings of nnU-Net's folders, as in ``imagesTr`` and ``labelsTs``."""

_MASK_TOKEN = re.compile(
    r"(?:^|[_\- .])(?:masks?|labels?|gt|segs?|segmentations?|annotations?|ground[_-]?truth)(?=$|[_\- .])",
    re.IGNORECASE,
)
"""``X_mask``, ``building_mask_001``, ``mask-X``: what tells a mask's name from its image's."""
_FURTHER = re.compile(r"[_\- ]\d{1,4}$")
"""Number of a further mask of an image, as in ``a_mask_1``, whose key is ``a_1``."""
_CHANNEL = re.compile(r"_(\d{4})$")
"""nnU-Net's number of a channel, at the end of an image's name."""


_Key = tuple[tuple[str, ...], str, tuple[str, ...]]
"""Common key of a folder of images and its folder of masks: folders above, nnU-Net's ending, folders below."""


@dataclass(frozen=True)
class Pair:
    """An image file and its mask file.

    Attributes:
        image: file of the image.
        mask: file of the mask.
        group: split that a folder or table names, "" where unknown.
        row: further facts, such as the row of a table; the columns have their usual names.
    """

    image: Path
    mask: Path
    group: str = ""
    row: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Side:
    """Folders of the images and masks of one group; both are the same where names tell the masks."""

    folder: Path
    images: list[Path]
    masks: list[Path]
    group: str = ""
    below: str = ""


def find_pairs(root: Path, report: QualityReport) -> list[Pair]:
    """Pair the files of folders of images and folders of masks, or of folders that hold both kinds.

    Folders of images are called ``images`` (``image``, ``imgs``, ``img``), those of masks ``masks``, ``labels``,
    ``annotations``, ``gt``, ``ground_truth`` or ``segmentations``, singular or plural, in upper or lower case, or as
    nnU-Net has them, ``imagesTr`` and ``labelsTr``. They may lie in folders of groups (``train/images``), have such
    folders in them (``images/train``), or further ones (``images/patient1``). Images may also lie beside the folder of
    masks.

    Names are compared without suffix and without a word such as ``mask``, ``seg``, ``label`` or ``gt``: ``a.jpg`` goes
    with ``a.png``, ``a_mask.png`` and ``mask-a.png``, ``building_001.tif`` with ``building_mask_001.tif``, nnU-Net's
    ``a_0000.png`` with ``a.png``. An image may have several masks, one per object, each of them a pair: ``a_mask.png``
    and ``a_mask_1.png``, or all files of a folder of masks that belongs to a single image. Where no other name agrees,
    files are paired in natural order if there are as many images as masks (``paired_by_order`` in the report).

    Raises:
        ValueError: when no names agree and the numbers differ.
    """
    sides = list(_sides(image_names(root, report), root, report))
    if not any(is_split_name(side.group) for side in sides):
        # Folders of classes or patients, not of a split.
        sides = [_Side(s.folder, s.images, s.masks, "", "/".join(filter(None, (s.group, s.below)))) for s in sides]
    pairs: list[Pair] = []
    for side in sides:
        row = {"folder": side.below} if side.below else {}
        pairs += [Pair(image, mask, side.group, row) for image, mask in _match(root, side, report)]
    return sorted(pairs, key=lambda p: (natural_key(p.group), natural_key(p.image.name), str(p.image)))


def image_names(root: Path, report: QualityReport) -> dict[Path, list[str]]:
    """Folders below ``root`` with the names of the images and masks in them.

    ``report`` receives what is not a file, and images of formats that are not read in folders of images or masks.
    """
    found: dict[Path, list[str]] = {}
    for folder, names in walk_data_set(root, IMAGE_SUFFIXES, report):
        found[folder] = [name for name in names if name.lower().endswith(IMAGE_SUFFIXES)]
        place = folder.relative_to(root)
        if _role(place.parts)[0]:
            for name in names:
                if name.lower().endswith(_OTHER_SUFFIXES):
                    report.add("format_not_read", (place / name).as_posix(), "convert it to PNG, TIFF or NIfTI")
    return found


def file_stem(path: Path) -> str:
    """The name of a file without its suffix, which may be ``.nii.gz``.

    Example:
        >>> file_stem(Path("images/a.b.nii.gz"))
        'a.b'
    """
    return Path(path.stem).stem if path.name.lower().endswith(".nii.gz") else path.stem


def pair_key(name: str) -> str:
    """Common key of the names of an image and its mask.

    Example:
        >>> pair_key("building_mask_001.tif"), pair_key("x_mask.png"), pair_key("x.jpg")
        ('building_001', 'x', 'x')
    """
    stem = file_stem(Path(name))
    return _MASK_TOKEN.sub("", stem, count=1).strip("_- .") or stem


def _sides(folders: dict[Path, list[str]], root: Path, report: QualityReport) -> Iterator[_Side]:  # noqa: C901, PLR0912
    """Folders of images with their folders of masks; without any, folders that hold both kinds."""
    images: dict[_Key, Path] = {}
    masks: dict[_Key, list[Path]] = {}
    for folder, names in folders.items():
        role, key = _role(folder.relative_to(root).parts)
        if names and role == "image":
            images.setdefault(key, folder)
        elif names and role == "mask":
            masks.setdefault(key, []).append(folder)
    for key in masks:
        parent = root.joinpath(*key[0])
        if key not in images and not key[1] and not key[2] and folders.get(parent):
            images[key] = parent
    unmasked = [folder for key, folder in images.items() if key not in masks]
    if masks.keys() & images.keys():
        for key, folder in images.items():
            of_masks = sorted(masks.get(key, []), key=lambda path: _priority(path, root))
            if not of_masks and key[1]:
                report.note(f"{folder.relative_to(root).as_posix()}: {len(folders[folder])} images without masks")
                continue
            if len(of_masks) > 1:
                others = ", ".join(path.relative_to(root).as_posix() for path in of_masks[1:])
                report.note(f"{of_masks[0].relative_to(root).as_posix()} has the masks; not used: {others}")
            mask_files = [of_masks[0] / name for name in folders[of_masks[0]]] if of_masks else []
            group, below = _group(key)
            yield _Side(folder, [folder / name for name in folders[folder]], mask_files, group, below)
        for key in masks.keys() - images.keys():
            for folder in masks[key]:
                yield _Side(folder, [], [folder / name for name in folders[folder]], *_group(key))
        return
    for folder, names in folders.items():
        candidates = [folder / name for name in names if _MASK_TOKEN.search(file_stem(Path(name)))]
        if candidates and folder not in unmasked:
            group = "" if folder == root else _split_part(folder.relative_to(root).parts)
            yield _Side(folder, [folder / name for name in names if folder / name not in candidates], candidates, group)


def _role(parts: tuple[str, ...]) -> tuple[str, _Key]:
    """Kind of a folder, "image", "mask" or "", and what its path has in common with that of the other kind."""
    for index in range(len(parts) - 1, -1, -1):
        name = parts[index].lower()
        for ending in (*_NNUNET_SPLITS, ""):
            base = name.removesuffix(ending)
            role = "image" if base in _IMAGE_FOLDERS else "mask" if base in _MASK_FOLDERS else ""
            if role and name == base + ending:
                return role, (parts[:index], ending, parts[index + 1 :])
    return "", ((), "", ())


def _priority(folder: Path, root: Path) -> int:
    names = [part.lower() for part in folder.relative_to(root).parts]
    return min((_MASK_FOLDERS.index(name) for name in names if name in _MASK_FOLDERS), default=0)


def _group(key: _Key) -> tuple[str, str]:
    """Name of the split, and of the folders below the folder of images."""
    before, ending, below = key
    if ending:
        return _NNUNET_SPLITS[ending], "/".join(below)
    if below and is_split_name(below[0]):
        return below[0], "/".join(below[1:])
    return _split_part(before), "/".join(below)


def _split_part(parts: Collection[str]) -> str:
    return next((part for part in parts if is_split_name(part)), "/".join(parts))


def _match(root: Path, side: _Side, report: QualityReport) -> Iterator[tuple[Path, Path]]:
    mask_stems = {file_stem(path) for path in side.masks}
    by_image = _by_key(root, _image_keys(root, side.images, mask_stems, report), report)
    by_mask = _by_key(
        root, ((s if (s := file_stem(p)) in by_image else pair_key(p.name), p) for p in side.masks), report
    )
    if len(by_image) == 1 and len(side.masks) > 1 and not by_image.keys() & by_mask.keys():
        (image,) = by_image.values()
        yield from ((image, mask) for mask in side.masks)
        return
    if side.images and side.masks and not by_image.keys() & by_mask.keys():
        yield from _by_order(side.folder, side.images, side.masks)
        detail = f"{len(side.images)} images, such as {side.images[0].name}, {side.masks[0].name}"
        report.add("paired_by_order", side.folder.name, detail)
        return
    for key in sorted(by_image.keys() | by_mask.keys(), key=natural_key):
        if key not in by_mask:
            report.add("frame_without_mask", by_image[key].relative_to(root).as_posix())
        elif key not in by_image and (first := _FURTHER.sub("", key)) in by_image.keys() & by_mask.keys():
            yield by_image[first], by_mask[key]
        elif key not in by_image:
            report.add("mask_without_image", by_mask[key].relative_to(root).as_posix())
        else:
            yield by_image[key], by_mask[key]


def _image_keys(
    root: Path, images: Iterable[Path], mask_stems: Collection[str], report: QualityReport
) -> Iterator[tuple[str, Path]]:
    """Keys of images: their names, without nnU-Net's number of the channel where the mask has none."""
    for path in images:
        stem = file_stem(path)
        channel = _CHANNEL.search(stem)
        if channel is None or stem in mask_stems or stem[: -len(channel[0])] not in mask_stems:
            yield stem, path
        elif int(channel[1]) == 0:
            yield stem[: -len(channel[0])], path
        else:
            report.add("other_channel", path.relative_to(root).as_posix())


def _by_key(root: Path, entries: Iterable[tuple[str, Path]], report: QualityReport) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for key, path in entries:
        if found.setdefault(key, path) != path:
            report.add("ambiguous_pair", path.relative_to(root).as_posix(), f"{found[key].name} was used")
    return found


def _by_order(folder: Path, images: list[Path], masks: list[Path]) -> Iterator[tuple[Path, Path]]:
    if len(images) != len(masks):
        raise ValueError(
            f"Expected images and masks of the same names in {folder}, or as many of one as of the other, but got "
            f"{len(images)} images such as {images[0].name} and {len(masks)} masks such as {masks[0].name}: "
            "rename the masks, or name them in a table (columns image, mask)."
        )
    ordered = (sorted(paths, key=lambda path: natural_key(path.name)) for paths in (images, masks))
    yield from zip(*ordered, strict=True)


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
    # Where the table names masks, names and order of the files say nothing. A row without one, as of a table that was
    # cut off, finds its mask by name, or is a finding.
    names_masks = any(row["mask"] for row in rows)
    pairs = _pairs_by_name(root, report) if names_masks and not all(row["mask"] for row in rows) else []
    pairs = pairs if names_masks else find_pairs(root, report)
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


def _pairs_by_name(root: Path, report: QualityReport) -> list[Pair]:
    """The pairs whose names agree; none where files would be paired in their order."""
    trial = QualityReport()
    try:
        pairs = find_pairs(root, trial)
    except ValueError:
        return []
    by_order = trial.of("paired_by_order")
    return [] if by_order else pairs


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


MAX_LABELS = 256
"""Labels of one data set beyond this are refused."""

MAX_DETAIL = 200
"""Letters of a reason that are kept in a finding."""

_LABELS_FILE = "dataset.json"
_MAX_UNNAMED_FILES = 50
"""In a folder of more JSON files than this, only those with a usual name are read."""
_COMMON_NAMES = ("dataset", "datalist", "data_list", "instances", "coco", "annotations")
_LIST_KEYS = ("training", "train", "validation", "val", "testing", "test")
_CLASS_KEYS = ("classification", "class", "label", "name")
_BORDER = 0.5
"""An outline that comes within so many pixels of the image's border touches it."""


@dataclass
class Documents:
    """JSON files of a data set by kind.

    Attributes:
        labels: names and values of structures that ``dataset.json`` states, None where it does not.
        data_lists: MONAI's data lists, path and content.
        coco: COCO's files, path and content.
        geojson: paths of GeoJSON files.
    """

    labels: dict[str, tuple[int, ...]] | None = None
    data_lists: list[tuple[Path, dict[str, Any]]] = field(default_factory=list)
    coco: list[tuple[Path, dict[str, Any]]] = field(default_factory=list)
    geojson: list[Path] = field(default_factory=list)


@dataclass(frozen=True)
class Outline:
    """An object of an image, as a document has it.

    Attributes:
        image: file of the image.
        size: (H, W) of the image.
        vertices: (N, 2) float64, (x, y) in pixels, within the image.
        class_name: of its category.
        group: split of the document, "" where unknown.
        at_border: whether it touches the border of the image.
    """

    image: Path
    size: tuple[int, int]
    vertices: np.ndarray
    class_name: str
    group: str
    at_border: bool


def find_documents(root: Path) -> Documents:
    """Read the JSON files in a data set's folder and its subfolders, and classify them.

    Raises:
        ValueError: when a file with a usual name (``dataset.json``, ``instances_train.json``) is not JSON; the message
            has the line.
    """
    found = Documents()
    for folder, names in walk_files(root):
        if len(folder.relative_to(root).parts) > 2:
            continue
        found.geojson += [folder / name for name in names if name.lower().endswith(".geojson")]
        files = [name for name in names if name.lower().endswith(".json")]
        for name in files:
            is_usual = any(word in name.lower() for word in _COMMON_NAMES)
            if is_usual or len(files) <= _MAX_UNNAMED_FILES:
                _add_document(found, folder / name, is_usual)
    return found


def _add_document(found: Documents, path: Path, is_usual: bool) -> None:
    try:
        content = read_json(path, "a description of the data set")
    except ValueError:
        if is_usual:
            raise
        return
    if isinstance(content, dict) and {"images", "annotations"} <= content.keys():
        found.coco.append((path, content))
    elif isinstance(content, dict) and any(_is_list_of_images(content.get(key)) for key in _LIST_KEYS):
        found.data_lists.append((path, content))
    elif (isinstance(content, dict) and content.get("type") in ("FeatureCollection", "Feature")) or (
        isinstance(content, list) and content and isinstance(content[0], dict) and content[0].get("type") == "Feature"
    ):
        found.geojson.append(path)
    if isinstance(content, dict) and path.name.lower() == _LABELS_FILE and "labels" in content:
        found.labels = stated_labels(content["labels"], path)


def read_stated_labels(root: Path) -> dict[str, tuple[int, ...]] | None:
    """Labels that ``dataset.json`` of a data set's folder states, None where there is no such file or no labels in it.

    Raises:
        ValueError: when it is not JSON, or as :func:`stated_labels`.
    """
    path = root / _LABELS_FILE
    content = read_json(path, "a description of the data set") if path.is_file() else None
    return stated_labels(content["labels"], path) if isinstance(content, dict) and "labels" in content else None


def _is_list_of_images(value: Any) -> bool:
    return isinstance(value, list) and any(isinstance(entry, dict) and "image" in entry for entry in value[:10])


def stated_labels(labels: Any, path: Path) -> dict[str, tuple[int, ...]]:
    """Names of structures with their values, from the labels of ``dataset.json``, without the background.

    Args:
        labels: ``{"background": 0, "tumor": 1, "all": [1, 2]}``, or as in older files ``{"0": "background", ...}``.
        path: of the file, for messages.

    Returns:
        For each structure its values; one called "ignore" has its values under that name.

    Raises:
        ValueError: when it is neither.
    """
    found: dict[str, tuple[int, ...]] = {}
    entries = labels.items() if isinstance(labels, dict) else ()
    for key, value in entries:
        is_older = str(key).isdecimal() and isinstance(value, str)
        name, values = (value, key) if is_older else (str(key), value)
        numbers = values if isinstance(values, list) else [values]
        if not all(str(number).isdecimal() and len(str(number)) < 6 for number in numbers):
            raise ValueError(
                f"Expected whole numbers as values of labels in {path}, but {name[:40]!r} has {str(values)[:40]}: "
                'write {"labels": {"background": 0, "lesion": 1}}.'
            )
        kept = tuple(dict.fromkeys(int(number) for number in numbers if int(number) != 0))
        if kept:
            found[name] = kept
    if not 0 < len(found) <= MAX_LABELS:
        raise ValueError(
            f"Expected 1 .. {MAX_LABELS} labels beside the background in {path}, but got {len(found)}: "
            'write {"labels": {"background": 0, "lesion": 1}}.'
        )
    return found


def pairs_of_data_list(root: Path, path: Path, content: Mapping[str, Any], report: QualityReport) -> list[Pair]:
    """Pairs that one of MONAI's data lists names, with the other texts and numbers of an entry as its row.

    Args:
        root: folder of the data set, which holds all files.
        path: of the list; names are relative to its folder or to ``root``.
        content: of the list.
        report: receives entries that cannot be used; entries of "testing" without a label are usual, and a note.
    """
    pairs = []
    for key in _LIST_KEYS:
        entries, without = content.get(key), 0
        for number, entry in enumerate(entries if isinstance(entries, list) else (), start=1):
            subject = f"{path.name}, {key}, entry {number}"
            is_test = group_name(key) == "test"
            if is_test and (isinstance(entry, str) or (isinstance(entry, dict) and "label" not in entry)):
                without += 1
                continue
            try:
                pair = _listed_pair(root, path, entry, key)
            except ValueError as error:
                report.add("invalid_annotation", subject, str(error)[:MAX_DETAIL])
                continue
            if isinstance(pair, str):
                report.add(pair, subject, str(entry)[:MAX_DETAIL])
            else:
                pairs.append(pair)
        if without:
            report.note(f"{path.name}: {without} test images without labels")
    return sorted(pairs, key=lambda p: (natural_key(p.group), natural_key(p.image.name), str(p.image), str(p.mask)))


def _listed_pair(root: Path, path: Path, entry: Any, key: str) -> Pair | str:
    """The pair of an entry, or a kind of finding."""
    if not isinstance(entry, dict) or "image" not in entry:
        raise ValueError('Expected {"image": FILE, "label": FILE}: write the entry so.')
    if "label" not in entry:
        return "frame_without_mask"
    names = [entry["image"], entry["label"]]
    if not all(isinstance(name, str) for name in names):
        raise ValueError("Expected one file for the image and one for the label: keep the first channel, for example.")
    image, mask = (_within(root, path.parent, name) for name in names)
    if image is None or mask is None:
        return "annotation_without_image"
    facts = {
        str(k): str(v) for k, v in entry.items() if k not in ("image", "label") and isinstance(v, (str, int, float))
    }
    return Pair(image, mask, key, facts)


def _within(root: Path, folder: Path, text: str) -> Path | None:
    """A file that a document names, in its folder or in that of the data set; nnU-Net's names lack the channel.

    Raises:
        ValueError: when the path is absolute or leads out of the folder.
    """
    relative = Path(*path_parts(text))
    stem = file_stem(relative)
    first_channel = relative.with_name(f"{stem}_0000{relative.name[len(stem) :]}")
    candidates = (base / name for name in (relative, first_channel) for base in (folder, root))
    return next((path for path in candidates if os.path.isfile(path)), None)  # pathlib's fails for long names


def outlines_of_documents(root: Path, documents: Documents, report: QualityReport) -> list[Outline]:
    """Objects that COCO's or, without these, GeoJSON files outline, in natural order of images, largest first.

    COCO: polygons and run lengths; x and y are continuous pixels, as here. GeoJSON: one file per image, of the same
    name, as QuPath exports them.
    """
    images = _images_below(root)
    found: list[Outline] = []
    if documents.coco:
        named: set[Path] = set()
        for path, content in documents.coco:
            document = _Coco(root, path, content, images, report)
            found += document.outlines()
            named |= document.named
        for path in (path for paths in images.values() for path in paths):
            if path not in named:
                report.add("image_not_listed", path.relative_to(root).as_posix())
    else:
        for path in sorted(documents.geojson, key=lambda path: natural_key(str(path))):
            found += _of_geojson(root, path, images, report)
        named_stems = {stem for path in documents.geojson for stem in (path.stem, path.name.split(".")[0])}
        for path in (path for paths in images.values() for path in paths):
            if not {file_stem(path), path.name} & named_stems:
                report.add("frame_without_mask", path.relative_to(root).as_posix(), "no GeoJSON file of the same name")
    area = {id(o): abs(float(signed_area(torch.from_numpy(o.vertices)))) for o in found}
    return sorted(found, key=lambda o: (natural_key(o.group), natural_key(o.image.name), str(o.image), -area[id(o)]))


def _images_below(root: Path) -> dict[str, list[Path]]:
    """Images of a data set by their names."""
    found: dict[str, list[Path]] = defaultdict(list)
    for folder, names in walk_files(root):
        for name in names:
            if name.lower().endswith(IMAGE_SUFFIXES):
                found[name].append(folder / name)
    return found


class _Coco:
    """One of COCO's files."""

    def __init__(
        self,
        root: Path,
        path: Path,
        content: Mapping[str, Any],
        images: Mapping[str, list[Path]],
        report: QualityReport,
    ) -> None:
        self.root, self.path, self.report, self.files = root, path, report, images
        words = path.stem.lower().replace("-", "_").replace("2017", "").replace("2014", "").split("_")
        self.group = next((word for word in (*words, path.parent.name.lower()) if is_split_name(word)), "")
        lists = [content.get(key) or [] for key in ("images", "annotations", "categories")]
        if not all(isinstance(entries, list) and all(isinstance(e, dict) for e in entries) for entries in lists):
            raise ValueError(
                f"Expected lists of objects `images`, `annotations` and `categories` in {path}, but they differ: "
                "export the file again in COCO's format."
            )
        self.images, self.annotations, categories = lists
        self.named: set[Path] = set()
        self.names = {str(entry.get("id")): str(entry.get("name") or "object") for entry in categories}

    def outlines(self) -> Iterator[Outline]:
        """All usable outlines; everything else is a finding."""
        usable: dict[str, tuple[Path, tuple[int, int]]] = {}
        for number, entry in enumerate(self.images, start=1):
            readable = self._image(entry, f"{self.path.name}, image {number}")
            if readable is not None:
                usable[str(entry.get("id"))] = readable
        known = {str(entry.get("id")) for entry in self.images}
        annotated = set()
        for number, entry in enumerate(self.annotations, start=1):
            subject, key = f"{self.path.name}, annotation {number}", str(entry.get("image_id"))
            if key not in known:
                self.report.add("annotation_without_image", subject, f"image_id {key[:40]}")
                continue
            annotated.add(key)
            if key not in usable:
                continue
            if entry.get("iscrowd") and not isinstance(entry.get("segmentation"), list):
                self.report.add("crowd_region", subject)
                continue
            image, size = usable[key]
            name = self.names.get(str(entry.get("category_id")), "object")
            rings = _readable(
                subject, lambda entry=entry, size=size: _rings(entry.get("segmentation"), size), self.report
            )
            yield from _outlines(rings, image, size, name, self.group, subject, self.report)
        for key, (path, _) in usable.items():
            if key not in annotated:
                self.report.add("frame_without_mask", path.relative_to(self.root).as_posix(), "no annotation")

    def _image(self, entry: Mapping[str, Any], subject: str) -> tuple[Path, tuple[int, int]] | None:
        """File and size of an image that can be used."""
        try:
            parts = path_parts(str(entry.get("file_name", "")))
        except ValueError as error:
            self.report.add("invalid_annotation", subject, str(error)[:MAX_DETAIL])
            return None
        relative = Path(*parts)
        bases = (self.path.parent, self.path.parent / "images", self.root, self.root / "images")
        beside = [base / relative for base in bases if os.path.isfile(base / relative)]
        same = [path for path in self.files.get(parts[-1], []) if path.parts[-len(parts) :] == parts]
        fitting = beside[:1] or same or self.files.get(parts[-1], [])
        if len(fitting) > 1:
            in_group = [p for p in fitting if self.group and self.group in [part.lower() for part in p.parts]]
            fitting = in_group if len(in_group) == 1 else []
        if not fitting:
            self.report.add("annotation_without_image", subject, relative.as_posix()[:MAX_DETAIL])
            return None
        image = fitting[0]
        self.named.add(image)
        try:
            size = file_size(image)
        except (OSError, ValueError) as error:
            self.report.add("invalid_image", image.relative_to(self.root).as_posix(), str(error))
            return None
        stated = (entry.get("height", size[0]), entry.get("width", size[1]))
        if stated != size:
            detail = f"{self.path.name} says {str(stated)[:40]}, image {size} (H, W)"
            self.report.add("mask_size", image.relative_to(self.root).as_posix(), detail)
            return None
        return image, size


def _of_geojson(root: Path, path: Path, images: Mapping[str, list[Path]], report: QualityReport) -> Iterator[Outline]:
    """Outlines of a GeoJSON file."""
    subject = path.relative_to(root).as_posix()
    stems = {path.stem, path.name.split(".")[0]}
    fitting = [p for paths in images.values() for p in paths if file_stem(p) in stems or p.name == path.stem]
    beside = [p for p in fitting if p.parent == path.parent]
    chosen = beside if len(beside) == 1 else fitting
    if len(chosen) != 1:
        report.add("annotation_without_image", subject, f"{len(chosen)} images of the same name")
        return
    image = chosen[0]
    try:
        size = file_size(image)
    except (OSError, ValueError) as error:
        report.add("invalid_image", image.relative_to(root).as_posix(), str(error))
        return
    try:
        content = read_json(path, "GeoJSON")
    except (OSError, ValueError) as error:
        report.add("invalid_annotation", subject, str(error))
        return
    features = content.get("features", [content]) if isinstance(content, dict) else content
    group = next((part for part in image.relative_to(root).parts[:-1] if is_split_name(part)), "")
    number = 0
    for number, feature in enumerate(features if isinstance(features, list) else (), start=1):
        location = f"{subject}, feature {number}"
        rings = _readable(location, lambda feature=feature: _feature_rings(feature, location, report), report)  # noqa: B023
        name = _feature_class(feature) if rings else ""
        yield from _outlines(rings, image, size, name, group, location, report)
    if not number:
        report.add("frame_without_mask", image.relative_to(root).as_posix(), f"{path.name} has no features")


def _readable(subject: str, read: Any, report: QualityReport) -> list[Any]:
    try:
        return list(read())
    except (ValueError, TypeError, LookupError, OverflowError, AttributeError) as error:
        report.add("invalid_annotation", subject, (str(error) or type(error).__name__)[:MAX_DETAIL])
        return []


def _feature_rings(feature: Any, subject: str, report: QualityReport) -> list[Any]:
    geometry = feature["geometry"]
    kind, coordinates = geometry["type"], geometry["coordinates"]
    if kind not in ("Polygon", "MultiPolygon"):
        raise ValueError(f"Expected a Polygon or MultiPolygon, but got {str(kind)[:40]}: draw an area.")
    polygons = [coordinates] if kind == "Polygon" else coordinates
    if any(len(polygon) > 1 for polygon in polygons):
        report.add("hole_ignored", subject)
    return [polygon[0] for polygon in polygons]


def _feature_class(feature: Mapping[str, Any]) -> str:
    """Name of a feature's class; QuPath has ``{"classification": {"name": "Tumor"}}``."""
    properties = feature.get("properties")
    for key in _CLASS_KEYS if isinstance(properties, dict) else ():
        value = properties.get(key)  # type: ignore[union-attr]
        value = value.get("name") if isinstance(value, dict) else value
        if isinstance(value, str) and value.strip():
            return value.strip()[:80]
    return "object"


def _rings(segmentation: Any, size: tuple[int, int]) -> Iterable[Any]:
    """Outlines of COCO's ``segmentation``: polygons, or run lengths."""
    if isinstance(segmentation, dict):
        return object_outlines(decode_run_lengths(segmentation, size))
    if not isinstance(segmentation, list) or not segmentation:
        raise ValueError("Expected polygons or run lengths in `segmentation`: export the file again.")
    return segmentation


def decode_run_lengths(segmentation: Mapping[str, Any], size: tuple[int, int]) -> np.ndarray:
    """Decode COCO's run lengths, as numbers or as text, into a mask.

    Args:
        segmentation: ``{"size": [H, W], "counts": [...]}``; columns first, and runs of 0 and 1 in turn.
        size: (H, W) of the image, which it has to have.

    Returns:
        (H, W) bool.

    Raises:
        ValueError: for another size, or runs that do not fill the image.
    """
    if tuple(segmentation.get("size") or ()) != size:
        raise ValueError(f"Expected run lengths of {size} (H, W), but got {str(segmentation.get('size'))[:40]}.")
    check_pixels("run lengths", size)
    counts = segmentation.get("counts")
    runs = _text_runs(counts) if isinstance(counts, str) else np.asarray(counts)
    if runs.ndim != 1 or runs.dtype.kind not in "iu" or (runs < 0).any() or (runs > math.prod(size)).any():
        raise ValueError("Expected run lengths as whole numbers: export the file again.")
    if int(runs.sum()) != math.prod(size):
        raise ValueError(f"Expected run lengths of {math.prod(size)} pixels, but got {int(runs.sum())}.")
    return np.repeat(np.arange(runs.size) % 2 == 1, runs).reshape(size[::-1]).T


def _text_runs(text: str) -> np.ndarray:
    """COCO's compressed text: five bits per letter, lowest first; later runs are differences to the last but one."""
    runs: list[int] = []
    value = shift = 0
    for letter in text:
        code = ord(letter) - 48
        if not 0 <= code < 64 or shift > 35:
            raise ValueError("Expected run lengths as COCO's text, but got other letters: export the file again.")
        value |= (code & 31) << shift
        shift += 5
        if not code & 32:
            if code & 16:
                value -= 1 << shift
            runs.append(value + (runs[-2] if len(runs) > 2 else 0))
            value = shift = 0
    return np.asarray(runs, dtype=np.int64)


def _outlines(
    rings: Iterable[Any], image: Path, size: tuple[int, int], name: str, group: str, subject: str, report: QualityReport
) -> Iterator[Outline]:
    """Check rings and cut them to the image."""
    for ring in rings:
        try:
            vertices = np.asarray(ring, dtype=np.float64)
        except (ValueError, TypeError):
            report.add("invalid_contour", subject, "values that are not numbers")
            continue
        if vertices.ndim == 1 and vertices.size % 2 == 0:
            vertices = vertices.reshape(-1, 2)
        if vertices.ndim != 2 or vertices.shape[1] < 2 or not np.isfinite(vertices).all():
            report.add("invalid_contour", subject, f"shape {vertices.shape}, or values that are not numbers")
            continue
        vertices = vertices[:, :2]
        if len(vertices) > 1 and np.array_equal(vertices[0], vertices[-1]):
            vertices = vertices[:-1]
        if len(vertices) < 3:
            report.add("too_few_points", subject, f"{len(vertices)} points")
            continue
        limit = np.array([size[1], size[0]], dtype=np.float64)
        inside = np.clip(vertices, 0, limit)
        if abs(float(signed_area(torch.from_numpy(inside)))) <= 0:
            report.add("contour_outside", subject)
            continue
        if np.abs(inside - vertices).max() > 1:
            report.add("contour_clipped", subject)
        touches = bool((inside < _BORDER).any() or (inside > limit - _BORDER).any())
        yield Outline(image, size, inside, name, group_name(group), touches)
