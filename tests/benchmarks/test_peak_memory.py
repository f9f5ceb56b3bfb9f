# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Peak memory sees what was held for a moment."""

from __future__ import annotations

import mmap
from importlib import import_module

SIZE = 64 * 2**20


def test_a_block_that_is_gone_again() -> None:
    module = import_module("peak_memory")
    before = module.reset_peak()
    # Pages of their own: a heap that earlier tests have filled may have as many to spare.
    with mmap.mmap(-1, SIZE) as block:
        block.write(b"x" * SIZE)
    assert module.peak() - before > SIZE // 2
