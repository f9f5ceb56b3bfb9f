# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""PNG files that appear whole or not at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from monai_acdr.files import MissingFolderError, replace_file

__all__ = ["save_png"]


def save_png(path: str | Path, array: np.ndarray) -> Path:
    """Write a picture; an earlier file of that name is replaced when the new one is complete.

    The name is the caller's: it must not hold a patient's identity.

    Args:
        path: file name ending in .png; its folder must exist.
        array: uint8, (H, W, 3) or (H, W).

    Returns:
        The path.

    Raises:
        ValueError: for another ending, shape or dtype.
        FileNotFoundError: when the folder does not exist.
    """
    path = Path(path)
    if path.suffix.lower() != ".png":
        raise ValueError(f"Expected a file name ending in .png, but got {path.name}.")
    if array.dtype != np.uint8 or array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] != 3):
        raise ValueError(f"Expected `array` to be uint8 (H, W, 3) or (H, W), but got {array.dtype} {array.shape}.")
    if not path.parent.is_dir():
        raise MissingFolderError(f"Expected the folder {path.parent} to exist: create it first.")
    with replace_file(path) as temporary:
        Image.fromarray(array).save(temporary, format="PNG")
    return path
