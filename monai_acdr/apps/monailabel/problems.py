# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""What goes wrong on the server, as an HTTP status and a message that says what to do."""

from __future__ import annotations

import os

__all__ = ["Busy", "NotFoundHere", "Unusable", "status_of"]


class Busy(Exception):
    """Something runs already that may run once only."""


class NotFoundHere(Exception):
    """What was asked for does not exist: an image, a label, a model."""


class Unusable(Exception):
    """The server lacks what it needs for the answer, such as weights."""


def status_of(error: BaseException, hidden: str | os.PathLike[str] = "", name: str = "the image") -> tuple[int, str]:
    """HTTP status and message of an error.

    Args:
        error: what was raised.
        hidden: a path of the server that clients need not know.
        name: what stands in its place.

    Returns:
        404 for what does not exist, 409 for what runs already, 400 for input that cannot be used, 503 for a server that
        lacks something, 507 for a full disk, else 500, without the message, which may quote anything.
    """
    text = str(error).replace(str(hidden), name) if hidden else str(error)
    if isinstance(error, NotFoundHere):
        return 404, text
    if isinstance(error, Busy):
        return 409, text
    if isinstance(error, ValueError):
        return 400, text
    if isinstance(error, (Unusable, ImportError)):
        return 503, text
    if isinstance(error, OSError):
        return 507, f"The server cannot read or write a file ({error.strerror or type(error).__name__}): see its log."
    return 500, f"An unexpected {type(error).__name__} on the server: see its log."
