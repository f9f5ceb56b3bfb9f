# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Peak memory sees what was held for a moment."""

from __future__ import annotations

from importlib import import_module

import numpy as np


def test_a_block_that_is_gone_again() -> None:
    module = import_module("peak_memory")
    before = module.reset_peak()
    np.ones(64 * 2**20, np.uint8).sum()
    assert module.peak() - before > 32 * 2**20
