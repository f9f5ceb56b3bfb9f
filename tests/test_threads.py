# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import pytest
import torch

from monai_acdr.threads import one_thread


def test_the_number_comes_back() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with pytest.raises(KeyError, match="x"), one_thread():
            assert torch.get_num_threads() == 1
            raise KeyError("x")
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_nested_blocks_tell_the_number_outside_of_all() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        with one_thread() as outer, one_thread() as inner:
            assert (outer, inner, torch.get_num_threads()) == (3, 3, 1)
        with one_thread() as again:
            assert again == 3
    finally:
        torch.set_num_threads(before)
