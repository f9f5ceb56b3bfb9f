# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Formats of contours and masks: DICOM is detected by content, other formats by file suffix."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from monai_acdr.data.files import natural_key
from monai_acdr.data.image_headers import is_dicom_file
from monai_acdr.dicom.files import storage_class
from monai_acdr.dicom.rtstruct import RT_STRUCTURE_SET_STORAGE
from monai_acdr.dicom.seg import LABEL_MAP_STORAGE, SEGMENTATION_STORAGE

__all__ = ["FORMATS", "Format", "source_files", "source_format", "target_format"]


@dataclass(frozen=True)
class Format:
    """A file format.

    Attributes:
        name: as users say it.
        suffixes: of its files, the usual one first.
        holds: ``contours`` or ``masks``.
        many_frames: whether one file can hold several frames.
        many_structures: whether one file can hold several structures.
        dicom: whether it needs the images that it refers to.
    """

    name: str
    suffixes: tuple[str, ...]
    holds: str
    many_frames: bool = True
    many_structures: bool = False
    dicom: bool = False


FORMATS = {
    item.name: item
    for item in (
        Format("txt", (".txt",), "contours", many_frames=False),
        Format("json", (".json",), "contours", many_structures=True),
        Format("png", (".png",), "masks", many_frames=False),
        Format("nifti", (".nii.gz", ".nii"), "masks", many_structures=True),
        Format("rtstruct", (".dcm",), "contours", many_structures=True, dicom=True),
        Format("seg", (".dcm",), "masks", many_structures=True, dicom=True),
    )
}
"""All formats by their names."""

_FOLDERS = ("txt", "png")
"""Formats that a folder of files, one a frame, is read and written in."""

_SOP_CLASSES = {
    str(RT_STRUCTURE_SET_STORAGE): "rtstruct",
    str(SEGMENTATION_STORAGE): "seg",
    str(LABEL_MAP_STORAGE): "seg",
}


def source_format(path: Path) -> Format:
    """The format of a file, or of the files of a folder.

    Raises:
        FileNotFoundError: when there is no such path.
        ValueError: when it is none of ours.
    """
    if not path.exists():
        raise FileNotFoundError(f"Expected a contour, a mask or a folder of them, but {path} does not exist.")
    if path.is_dir():
        return _folder_format(path)
    if not path.is_file():
        raise ValueError(f"Expected a contour or a mask, but {path} is not a regular file.")
    if is_dicom_file(path):
        return _dicom_format(path)
    found = _by_suffix(path)
    if found is None or found.dicom:
        raise ValueError(
            f"Expected a contour (.txt, .json), a mask (.png, .nii, .nii.gz), or a DICOM RTSTRUCT or SEG, but {path} "
            "is none of them by its name and content."
        )
    return found


def source_files(path: Path, kind: Format) -> list[Path]:
    """The file itself, or the files of the format in a folder, in natural order."""
    if not path.is_dir():
        return [path]
    files = [file for file in path.iterdir() if file.is_file() and not file.name.startswith(".")]
    return sorted((file for file in files if _by_suffix(file) is kind), key=lambda file: natural_key(file.name))


def target_format(path: Path, name: str | None) -> tuple[Format, bool]:
    """The format to write, and whether a folder of files is to be written, one a frame.

    Args:
        path: file or folder; a folder is one that exists, or a name without a suffix.
        name: of the format; needed for folders, and for ``.dcm`` unless the name ends with ``seg`` or ``rtstruct``.

    Raises:
        ValueError: when the two do not tell the format, or contradict each other.
    """
    if name is not None and name not in FORMATS:
        raise ValueError(f"Expected the format to be one of {', '.join(FORMATS)}, but got {name!r}.")
    found = _by_suffix(path)
    if path.is_dir() or (found is None and not path.suffix):
        if name not in _FOLDERS:
            raise ValueError(
                f"Expected a format of single frames for the folder {path}, but got {name}: ask for --to "
                f"{' or --to '.join(_FOLDERS)}, or name a file that ends with .json, .nii.gz or .dcm."
            )
        return FORMATS[name], True
    if name is None:
        if found is None:
            endings = sorted({suffix for item in FORMATS.values() for suffix in item.suffixes})
            raise ValueError(f"Expected a name that ends with one of {', '.join(endings)}, but got {path.name}.")
        return (found if not found.dicom else _named_dicom(path)), False
    if not path.name.lower().endswith(FORMATS[name].suffixes):
        raise ValueError(
            f"Expected the name of a file in format {name} to end with {' or '.join(FORMATS[name].suffixes)}, but got "
            f"{path.name}."
        )
    return FORMATS[name], False


def _by_suffix(path: Path) -> Format | None:
    return next((item for item in FORMATS.values() if path.name.lower().endswith(item.suffixes)), None)


def _named_dicom(path: Path) -> Format:
    stem = path.stem.lower()
    found = next((name for name in ("rtstruct", "seg") if stem.endswith(name)), None)
    if found is None:
        raise ValueError(
            f"Expected to know which DICOM object {path.name} is to be: ask for --to rtstruct or --to seg, or "
            "let the name end with rtstruct.dcm or seg.dcm."
        )
    return FORMATS[found]


def _folder_format(path: Path) -> Format:
    counts = {name: len(source_files(path, FORMATS[name])) for name in _FOLDERS}
    kinds = [name for name, count in counts.items() if count]
    if len(kinds) != 1:
        raise ValueError(
            f"Expected a folder of contours (.txt) or of masks (.png), but {path} has "
            + ", ".join(f"{count} .{name}" for name, count in counts.items())
            + ": name one file, or a folder with one kind."
        )
    return FORMATS[kinds[0]]


def _dicom_format(path: Path) -> Format:
    kind = storage_class(path)
    if kind not in _SOP_CLASSES:
        raise ValueError(
            f"Expected an RT structure set or a segmentation, but {path} is of SOP class {kind[:64]}: an image "
            "is given with --images, and outlined by `segment`."
        )
    return FORMATS[_SOP_CLASSES[kind]]
