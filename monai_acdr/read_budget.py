# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Memory budget of untrusted files: one limit for all readers.

A file of a few kilobytes can claim, or unpack to, many gigabytes: compressed DICOM and NIfTI, PNG, deflated files, a
JSON document with the size of an image. Every reader checks the budget BEFORE it allocates the size that the header
claims, or while it unpacks, so that a hostile file causes an error instead of exhausting memory. A reader may need a
few times the budget for intermediate copies.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

__all__ = [
    "BYTES_PER_SAMPLE",
    "DEFAULT_BYTES",
    "ENVIRONMENT",
    "ON_DISK_TIMES",
    "ReadBudget",
    "check_bytes",
    "check_pixels",
    "read_budget",
    "read_budget_bytes",
]

DEFAULT_BYTES = 1 << 29
"""512 MiB: 134 million samples, such as a mammography study of eight images or a cine of 2,000 frames of 256 x 256."""

BYTES_PER_SAMPLE = 4
"""Bytes per sample: all samples become float32, however few bits they have in the file."""

ENVIRONMENT = "MONAI_ACDR_READ_BUDGET"
"""Environment variable with another budget in MiB: for bundles, data loader workers and servers."""

ON_DISK_TIMES = 4
"""Images may also need up to this multiple of their files' size on disk: a gigabyte of 16-bit images, which become two
as float32, is accepted. The budget is meant for small files with large claims."""

_chosen: int | None = None


def read_budget_bytes() -> int:
    """The budget in force, in bytes: from :func:`read_budget`, the environment, or :data:`DEFAULT_BYTES`.

    Raises:
        ValueError: when the environment variable is not a positive number.
    """
    if _chosen is not None:
        return _chosen
    text = os.environ.get(ENVIRONMENT, "")
    if not text:
        return DEFAULT_BYTES
    try:
        return _bytes_of(float(text))
    except ValueError:
        raise ValueError(
            f"Expected {ENVIRONMENT} to be a positive number of MiB, but got {text!r}: correct or unset it."
        ) from None


@contextmanager
def read_budget(mebibytes: float | None) -> Iterator[None]:
    """Set the budget in MiB within the block, in all threads; None changes nothing.

    Raises:
        ValueError: when the budget is not a positive number.

    Example:
        >>> with read_budget(4096):
        ...     pass  # read a large volume here
    """
    global _chosen
    previous = _chosen
    if mebibytes is not None:
        _chosen = _bytes_of(mebibytes)
    try:
        yield
    finally:
        _chosen = previous


def check_bytes(description: object, number: int, on_disk: int = 0) -> None:
    """Raise an error when a file's content is larger than the budget.

    Args:
        description: the file, for the message.
        number: bytes of the content, unpacked.
        on_disk: bytes of its files, where :data:`ON_DISK_TIMES` as many are allowed.

    Raises:
        ValueError: when the content is larger than the budget.
    """
    budget = max(read_budget_bytes(), ON_DISK_TIMES * on_disk)
    if number > budget:
        raise ValueError(
            f"Expected {description} to need at most {_mebibytes(budget)} MiB of memory, but it asks for "
            f"{_mebibytes(number)} MiB: leave it out if that cannot be right, or raise the budget with --read-budget "
            f"MIB (in Python `monai_acdr.read_budget.read_budget`, elsewhere the environment variable {ENVIRONMENT})."
        )


def check_pixels(description: object, shape: Sequence[int], on_disk: int = 0) -> None:
    """Raise an error when an image or volume is larger than the budget.

    Args:
        description: the file, for the message.
        shape: sizes of all axes: rows, columns, frames, samples per pixel.
        on_disk: as in :func:`check_bytes`.

    Raises:
        ValueError: when its samples, as float32, need more than the budget.
    """
    check_bytes(description, BYTES_PER_SAMPLE * math.prod(max(int(extent), 0) for extent in shape), on_disk)


class ReadBudget:
    """The budget of a run that keeps many images: their needs are added up.

    Args:
        description: the run, for the message.
        on_disk: as in :func:`check_bytes`, of all files together.

    Example:
        >>> budget = ReadBudget("the study")
        >>> budget.add_pixels((256, 256))
    """

    def __init__(self, description: object, on_disk: int = 0) -> None:
        self.description = description
        self.on_disk = on_disk
        self.spent = 0

    def add_pixels(self, shape: Sequence[int]) -> None:
        """Add an image; arguments and errors as for :func:`check_pixels`."""
        self.add_bytes(BYTES_PER_SAMPLE * math.prod(max(int(extent), 0) for extent in shape))

    def add_bytes(self, number: int) -> None:
        """Add a number of bytes; errors as for :func:`check_bytes`."""
        self.spent += number
        check_bytes(self.description, self.spent, self.on_disk)


def _bytes_of(mebibytes: float) -> int:
    if not (mebibytes > 0 and math.isfinite(mebibytes)):
        raise ValueError(f"Expected a read budget of a positive number of MiB, but got {mebibytes}.")
    return int(mebibytes * 2**20)


def _mebibytes(number: int) -> str:
    return f"{number / 2**20:,.0f}" if number >= 2**20 else f"{number / 2**20:.3g}"
