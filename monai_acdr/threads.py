# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Temporary limits of torch's number of threads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["one_thread"]

_OUTSIDE: ContextVar[int | None] = ContextVar("threads outside of one_thread", default=None)


@contextmanager
def one_thread() -> Iterator[int]:
    """Run torch on one thread within the block.

    On images of 64 x 64 pixels more threads gain little on an idle machine, and on a busy one they mostly wait for each
    other: with two threads a tenfold run time was observed.

    Yields:
        Number of threads outside of the block, or of the outermost one where blocks are nested: for work that is not
        divided within each operator.
    """
    import torch  # the package's modules of this kind are imported by everybody, torch is not

    threads = torch.get_num_threads()
    outside = _OUTSIDE.set(_OUTSIDE.get() or threads)
    torch.set_num_threads(1)
    try:
        yield _OUTSIDE.get() or threads
    finally:
        torch.set_num_threads(threads)
        _OUTSIDE.reset(outside)
