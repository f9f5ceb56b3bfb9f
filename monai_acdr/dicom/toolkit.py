# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Packages imported on first use: highdicom for segmentations and reports, dicomweb-client for servers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from pydicom.datadict import tag_for_keyword

from monai_acdr.dicom.files import is_system_error

__all__ = ["require_dicomweb", "require_highdicom", "source_errors"]


def require_highdicom(feature: str) -> Any:
    """The module highdicom with its parts ``seg`` and ``sr``.

    Args:
        feature: what needs it, for the message.

    Raises:
        ImportError: when it cannot be imported, as in a broken installation.
    """
    return require(feature, "highdicom", None, "highdicom", "highdicom.seg", "highdicom.sr")


def require_dicomweb(feature: str) -> Any:
    """The module dicomweb_client.api.

    Args:
        feature: what needs it, for the message.

    Raises:
        ImportError: when it is not installed.
    """
    return require(feature, "dicomweb-client", "dicomweb", "dicomweb_client.api")


@contextmanager
def source_errors(product: str, source: object, instead: str) -> Iterator[None]:
    """Convert what highdicom and pydicom raise about image headers into a ValueError that names file and element.

    Their messages are about Python objects and quote values, so none is passed on. Errors of this package pass
    unchanged.

    Args:
        product: the object being written, such as "a DICOM segmentation".
        source: the file of the images that it is made from.
        instead: alternative to recommend, in terms of options.
    """
    try:
        yield
    except ImportError:
        raise
    except Exception as error:
        if is_system_error(error) or (isinstance(error, ValueError) and str(error).startswith("Expected ")):
            raise
        words = re.findall(r"[A-Z][A-Za-z]{2,}", str(error))
        keyword = next((word for word in words if tag_for_keyword(word) is not None), None)
        problem = "does not have it as needed" if keyword else f"is not enough for it ({type(error).__name__})"
        if isinstance(error, AttributeError) and keyword:
            problem = "lacks it"
        raise ValueError(
            f"Expected {keyword or 'a header'} in the images that {product} is made from, but that of {source} "
            f"{problem}: complete or correct the header, or {instead}."
        ) from None


def require(feature: str, package: str, extra: str | None, *modules: str) -> Any:
    """The first of the modules, once all of them are imported.

    Args:
        feature: what needs them, for the message.
        package: that they are from.
        extra: that installs the package, or None for one that comes with this package.
        modules: their names.

    Raises:
        ImportError: when one cannot be imported.
    """
    try:
        return [import_module(module) for module in modules][0]
    except ImportError as error:
        command = f"'monai_acdr[{extra}]'" if extra else f"--force-reinstall {package}"
        raise ImportError(f"{feature} needs {package} ({error}): pip install {command}") from error
