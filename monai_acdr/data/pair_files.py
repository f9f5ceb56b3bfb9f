# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Which mask belongs to which image in folders of pairs: by name, or by order where no names agree."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from monai_acdr.data.files import natural_key, walk_data_set
from monai_acdr.data.report import QualityReport

__all__ = ["IMAGE_SUFFIXES", "Pair", "find_pairs", "image_names", "pair_key"]

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".dcm")
"""Files that are taken for images or masks."""

_MASK_TOKEN = re.compile(r"(?:^|[_\- .])(?:mask|masks|label|gt)(?=$|[_\- .])", re.IGNORECASE)
"""``X_mask``, ``building_mask_001``, ``mask-X``: what tells a mask's name from its image's."""


@dataclass(frozen=True)
class Pair:
    """An image and its mask; ``group`` is the name of the folder they are in, "" for the data set's own."""

    image: Path
    mask: Path
    group: str = ""


def find_pairs(root: Path, report: QualityReport) -> list[Pair]:
    """Pair the files of ``images/`` and ``masks/``, or of one folder; in ``root`` itself or in folders of groups.

    Names are compared without suffix and without the word ``mask``: ``a.jpg`` goes with ``a.png``, ``a_mask.png`` and
    ``mask-a.png``, ``building_001.tif`` with ``building_mask_001.tif``. Where no name of a folder agrees, files are
    paired in natural order if there are as many images as masks (``paired_by_order`` in the report).

    Raises:
        ValueError: when no names agree and the numbers differ.
    """
    folders = image_names(root, report)
    pairs: list[Pair] = []
    for folder, images, masks in _sides(root, folders):
        group = "" if folder == root else folder.relative_to(root).as_posix()
        pairs += [Pair(image, mask, group) for image, mask in _match(root, folder, images, masks, report)]
    return sorted(pairs, key=lambda pair: (natural_key(pair.group), natural_key(pair.image.name), str(pair.image)))


def image_names(root: Path, report: QualityReport) -> dict[Path, list[str]]:
    """Folders below ``root`` with the names of the images and masks in them; ``report`` receives what is no file."""
    found = walk_data_set(root, IMAGE_SUFFIXES, report)
    return {folder: [name for name in names if name.lower().endswith(IMAGE_SUFFIXES)] for folder, names in found}


def pair_key(name: str) -> str:
    """What the names of an image and its mask have in common.

    Example:
        >>> pair_key("building_mask_001.tif"), pair_key("x_mask.png"), pair_key("x.jpg")
        ('building_001', 'x', 'x')
    """
    stem = Path(name).stem
    return _MASK_TOKEN.sub("", stem, count=1).strip("_- .") or stem


def _sides(root: Path, folders: dict[Path, list[str]]) -> Iterator[tuple[Path, list[Path], list[Path]]]:
    """(folder, images, masks): folders with ``images`` and ``masks``; else folders that hold both kinds."""
    named = {(folder.parent, folder.name.lower()): folder for folder in folders if folder != root}
    parents = [folder for folder in folders if {(folder, "images"), (folder, "masks")} <= named.keys()]
    for parent in parents:
        images, masks = (named[parent, kind] for kind in ("images", "masks"))
        yield parent, [images / name for name in folders[images]], [masks / name for name in folders[masks]]
    for folder, names in () if parents else folders.items():
        masks_here = [folder / name for name in names if _MASK_TOKEN.search(Path(name).stem)]
        if masks_here:
            yield folder, [folder / name for name in names if folder / name not in masks_here], masks_here


def _match(
    root: Path, folder: Path, images: list[Path], masks: list[Path], report: QualityReport
) -> Iterator[tuple[Path, Path]]:
    by_image = _by_key(root, ((path.stem, path) for path in images), report)
    by_mask = _by_key(root, ((p.stem if p.stem in by_image else pair_key(p.name), p) for p in masks), report)
    if images and masks and not by_image.keys() & by_mask.keys():
        yield from _by_order(folder, images, masks)
        report.add("paired_by_order", folder.name, f"{len(images)} images, such as {images[0].name}, {masks[0].name}")
        return
    for key in sorted(by_image.keys() | by_mask.keys(), key=natural_key):
        if key not in by_mask:
            report.add("frame_without_mask", by_image[key].relative_to(root).as_posix())
        elif key not in by_image:
            report.add("mask_without_image", by_mask[key].relative_to(root).as_posix())
        else:
            yield by_image[key], by_mask[key]


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
