# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""highdicom, where it is installed: segmentations and reports are built with it."""

from __future__ import annotations

from importlib import import_module
from typing import Any

__all__ = ["require_highdicom"]


def require_highdicom(feature: str) -> Any:
    """The module highdicom with its parts ``seg`` and ``sr``.

    Args:
        feature: what needs it, for the message.

    Raises:
        ImportError: when it is not installed.
    """
    try:
        highdicom = import_module("highdicom")
        for part in ("seg", "sr"):
            import_module(f"highdicom.{part}")
    except ImportError as error:
        raise ImportError(f"{feature} needs highdicom ({error}): pip install 'monai_acdr[dicom-out]'") from error
    return highdicom
