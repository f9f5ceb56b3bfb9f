# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Memory budget of untrusted files: one limit for all readers.

A file of a few kilobytes can claim, or unpack to, many gigabytes: compressed DICOM and NIfTI, PNG, deflated files, a
JSON document with the size of an image. Every reader asks here BEFORE it allocates, with what the header claims, or
while it unpacks, so that a hostile file costs an error and not the machine's memory. A reader may need a few times the
budget for copies on the way.
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
"""Samples count as float32, which is what they become, however few bits the file gives them."""

ENVIRONMENT = "MONAI_ACDR_READ_BUDGET"
"""Environment variable with another budget in MiB: for bundles, data loader workers and servers."""

ON_DISK_TIMES = 4
"""Images may ask for so many times what their files have on the disk where that is more than the budget: whoever keeps
a gigabyte of 16-bit images can have them, which become two as float32. It is the small file with a large claim that the
budget is for."""

_chosen: int | None = None


def read_budget_bytes() -> int:
    """The budget in force, in bytes: that of :func:`read_budget`, of the environment, or :data:`DEFAULT_BYTES`.

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
    """Let files ask for this much memory within the block, in all threads; None changes nothing.

    Raises:
        ValueError: when it is not a positive number.

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
        number: bytes that it has, or will have once it is unpacked.
        on_disk: bytes of the files that they come from, where :data:`ON_DISK_TIMES` of them are allowed.

    Raises:
        ValueError: when that is more than the budget.
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
        shape: the extents of all axes: rows, columns, frames, samples per pixel.
        on_disk: as in :func:`check_bytes`.

    Raises:
        ValueError: when its samples, as float32, need more than the budget.
    """
    check_bytes(description, BYTES_PER_SAMPLE * math.prod(max(int(extent), 0) for extent in shape), on_disk)


class ReadBudget:
    """The budget of a run that keeps many images: what each of them needs is added up.

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
        """Count one image more; arguments and errors of :func:`check_pixels`."""
        self.add_bytes(BYTES_PER_SAMPLE * math.prod(max(int(extent), 0) for extent in shape))

    def add_bytes(self, number: int) -> None:
        """Count so many bytes more; errors of :func:`check_bytes`."""
        self.spent += number
        check_bytes(self.description, self.spent, self.on_disk)


def _bytes_of(mebibytes: float) -> int:
    if not (mebibytes > 0 and math.isfinite(mebibytes)):
        raise ValueError(f"Expected a read budget of a positive number of MiB, but got {mebibytes}.")
    return int(mebibytes * 2**20)


def _mebibytes(number: int) -> str:
    return f"{number / 2**20:,.0f}" if number >= 2**20 else f"{number / 2**20:.3g}"
