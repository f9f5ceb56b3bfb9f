# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Names that clients give: they become paths, so they are checked first. And which folders are images."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from monai_acdr.data.image_headers import is_dicom_file

__all__ = ["check_id", "check_tag", "is_series_folder"]

_LOOKED_AT = 20
"""Files of a folder that are looked at to tell what it is."""
_TAG = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


def check_id(image_id: str) -> str:
    """An image id that stays in its folder.

    Raises:
        ValueError: when it is empty, hidden, or would lead elsewhere.
    """
    bad = {"/", "\\", "\0"} & set(image_id) or image_id.startswith(".") or not 1 <= len(image_id) <= 200
    if bad or os.path.basename(image_id) != image_id:
        raise ValueError(f"Expected an image id that is a plain file name, but got {image_id[:80]!r}.")
    return image_id


def check_tag(tag: Any) -> str:
    """A tag of labels, which is a folder: letters, digits, ``_``, ``-`` and ``.``; or a member of an Enum of such.

    Raises:
        ValueError: when it is none.
    """
    text = str(getattr(tag, "value", tag))
    if not _TAG.fullmatch(text):
        raise ValueError(f"Expected a tag such as final or original, but got {text[:80]!r}.")
    return text


def is_series_folder(folder: Path) -> bool:
    """Whether a folder holds DICOM files itself, not in folders below it."""
    if folder.name.startswith("."):
        return False
    files = sorted(entry for entry in folder.iterdir() if entry.is_file() and not entry.name.startswith("."))
    return any(is_dicom_file(file) for file in files[:_LOOKED_AT])
