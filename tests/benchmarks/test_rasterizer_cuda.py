# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Graphs of CUDA: natively where there is a GPU; elsewhere only what happens when a job cannot be captured."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

import pytest
import torch


@pytest.fixture
def script() -> ModuleType:
    return import_module("rasterizer_cuda")


def test_what_cannot_be_captured_is_said(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise RuntimeError("operation not permitted when stream is capturing\nand more lines")

    monkeypatch.setattr(torch.cuda, "Stream", fail)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    assert script.as_graph(lambda: None) is None
    assert capsys.readouterr().out == "no CUDA graph: operation not permitted when stream is capturing\n"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_replay_does_the_same(script: ModuleType) -> None:
    total = torch.zeros(3, device="cuda")
    replay = script.as_graph(lambda: total.add_(1))
    torch.cuda.synchronize()
    before = total.clone()
    replay()
    assert torch.equal(total, before + 1)
