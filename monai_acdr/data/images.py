# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Data list of images without labels, for inference: a file, or a folder of DICOM files and pictures."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from monai_acdr.data.files import walk_files
from monai_acdr.data.image_headers import is_dicom_file, read_image_header
from monai_acdr.data.pictures import PICTURE_FORMATS, SUFFIXES, is_picture_file
from monai_acdr.data.report import QualityReport

__all__ = ["image_data_list"]

MAX_NAME = 120
"""Bytes of a name; most file systems take 255 bytes, and writers append endings."""

_logger = logging.getLogger(__name__)


def image_data_list(
    path: str | Path, pattern: str | None = None, report: QualityReport | None = None
) -> list[dict[str, Any]]:
    """List the images of a file or folder, in natural order of their paths.

    Files are recognized by content, not by suffix. Files that are not images, are truncated or hold several frames are
    left out; each is recorded in ``report`` with its reason, and their number is logged.

    Args:
        path: DICOM file, picture (:data:`~monai_acdr.data.pictures.PICTURE_FORMATS`), or folder that is searched with
            the folders below it.
        pattern: keep only files whose path relative to ``path`` matches, as in ``"*/CINESAX_*/*.dcm"``
            (:mod:`fnmatch`; ``*`` crosses folders).
        report: filled with findings and counts when given.

    Returns:
        One dict per image: ``image`` (path), ``name`` (unique, safe as a file name, made of the path's parts below
        ``path``, never of patient data in headers) and ``has_spacing`` (whether DICOM's PixelSpacing is there).

    Raises:
        FileNotFoundError: when ``path`` does not exist.
        ValueError: when there is no usable image.
    """
    path = Path(path)
    report = QualityReport() if report is None else report
    if not path.exists():
        raise FileNotFoundError(f"Expected an image or a folder of images, but {path} does not exist: check the path.")
    names = _Names()
    items = []
    left_out: list[Path] = []
    for file, relative in _candidates(path, pattern, left_out):
        has_spacing = _usable(file, relative, report)
        if has_spacing is None:
            continue
        name, is_new = names.take(relative)
        if not is_new:
            report.add("no_unique_name", str(relative), f"is called {name}")
        items.append({"image": str(file), "name": name, "has_spacing": has_spacing})
    for file in left_out:
        report.add("invalid_image", str(file.relative_to(path)), "it is not a regular file, or cannot be read")
    report.layout = report.layout or "images"
    report.counts["images"] = len(items)
    _conclude(path, items, report)
    return items


def _candidates(path: Path, pattern: str | None, left_out: list[Path]) -> Iterator[tuple[Path, Path]]:
    if not path.is_dir():
        yield path, Path(path.name)
        return
    for folder, files in walk_files(path, left_out):
        for file in files:
            relative = (folder / file).relative_to(path)
            if pattern is None or fnmatch(relative.as_posix(), pattern):
                yield folder / file, relative


def _usable(file: Path, relative: Path, report: QualityReport) -> bool | None:
    """Whether the image has pixel spacing; None, with a finding, when it is not usable."""
    try:
        if not is_picture_file(file) and not is_dicom_file(file):
            report.add("not_an_image", str(relative))
            return None
        return read_image_header(file).has_spacing
    except (OSError, ValueError) as error:
        report.add("invalid_image", str(relative), str(error))
        return None


def _conclude(path: Path, items: list[dict[str, Any]], report: QualityReport) -> None:
    skipped = {kind: number for kind, number in report.kinds().items() if kind != "no_unique_name"}
    if skipped:
        _logger.warning("Left out files of %s: %s.", path, ", ".join(f"{n} {kind}" for kind, n in skipped.items()))
    if not items:
        reasons = report.of("invalid_image")
        detail = f" First reason: {reasons[0].text}" if reasons else ""
        raise ValueError(
            f"Expected DICOM images or pictures ({', '.join(PICTURE_FORMATS)}) in {path}, but found none "
            f"(left out: {skipped or 'nothing'}): check the folder and `pattern`.{detail}"
        )


class _Names:
    """Gives each file a name that no other file of the list has, on systems that ignore case as well."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def take(self, relative: Path) -> tuple[str, bool]:
        """The name for a relative path, and whether it was free at the first attempt."""
        stem = relative.stem if relative.suffix.lower() in (".dcm", *SUFFIXES) else relative.name
        text = "-".join((*relative.parts[:-1], stem))
        safe = "".join(c if c.isalnum() or c in "._-" else "_" for c in text)
        base = safe.encode()[-MAX_NAME:].decode(errors="ignore").lstrip(".") or "image"
        name, number = base, 1
        while name.casefold() in self._taken:
            number += 1
            name = f"{base}-{number}"
        self._taken.add(name.casefold())
        return name, number == 1
