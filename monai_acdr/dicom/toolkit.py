# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Packages of extras, where they are installed: highdicom builds segmentations and reports, dicomweb-client talks."""

from __future__ import annotations

from importlib import import_module
from typing import Any

__all__ = ["require_dicomweb", "require_highdicom"]


def require_highdicom(feature: str) -> Any:
    """The module highdicom with its parts ``seg`` and ``sr``.

    Args:
        feature: what needs it, for the message.

    Raises:
        ImportError: when it is not installed.
    """
    return _require(feature, "highdicom", "dicom-out", "highdicom", "highdicom.seg", "highdicom.sr")


def require_dicomweb(feature: str) -> Any:
    """The module dicomweb_client.api; arguments and errors as :func:`require_highdicom`."""
    return _require(feature, "dicomweb-client", "dicomweb", "dicomweb_client.api")


def _require(feature: str, package: str, extra: str, *modules: str) -> Any:
    """The first of the modules, once all of them are imported."""
    try:
        return [import_module(module) for module in modules][0]
    except ImportError as error:
        raise ImportError(f"{feature} needs {package} ({error}): pip install 'monai_acdr[{extra}]'") from error
