# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from importlib import import_module

import pytest
import torch


@pytest.mark.parametrize("contrast", [1.0, -1.0])
def test_a_disk_with_a_hole_among_others(contrast: float) -> None:
    pytest.importorskip("skimage", exc_type=ImportError)
    rows, columns = torch.meshgrid(torch.arange(64) + 0.5, torch.arange(64) + 0.5, indexing="ij")
    distance = torch.hypot(rows - 34, columns - 30)
    disk, other = distance < 12, torch.hypot(rows - 8, columns - 56) < 5
    image = contrast * (disk | other).float()
    image[33:36, 29:32] = 0
    found = import_module("chan_vese").ChanVese(num_iterations=40)(image[None, None])[0, 0] > 0
    assert 2 * (found & disk).sum() / (found.sum() + disk.sum()) > 0.95
    assert not (found & other).any()
    assert found[34, 30]
