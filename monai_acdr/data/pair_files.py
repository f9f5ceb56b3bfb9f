# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Pairs of image and mask files in folders: detection of both folders, and matching of masks to images."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from monai_acdr.data.files import natural_key, walk_data_set
from monai_acdr.data.pair_groups import is_split_name
from monai_acdr.data.report import QualityReport

__all__ = ["IMAGE_SUFFIXES", "Pair", "file_stem", "find_pairs", "image_names", "pair_key"]

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".dcm", ".nii", ".nii.gz")
"""Files that are taken for images or masks."""

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
    """Folders below ``root`` with the names of the images and masks in them; ``report`` receives what is not a file."""
    found = walk_data_set(root, IMAGE_SUFFIXES, report)
    return {folder: [name for name in names if name.lower().endswith(IMAGE_SUFFIXES)] for folder, names in found}


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
        here = [folder / name for name in names if _MASK_TOKEN.search(file_stem(Path(name)))]
        if here and folder not in unmasked:
            group = "" if folder == root else _split_part(folder.relative_to(root).parts)
            yield _Side(folder, [folder / name for name in names if folder / name not in here], here, group)


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
