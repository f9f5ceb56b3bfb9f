# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Peak memory is seen, in a separate process, and a failure there is a result."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch


@pytest.fixture
def script() -> ModuleType:
    return import_module("rasterizer_memory")


def options(**changes: Any) -> Any:
    return SimpleNamespace(**{"memory_case": "2,16,8", "memory_seconds": 120, "threads": 1, "seed": 0, **changes})


def test_one_in_a_process_of_its_own(script: ModuleType) -> None:
    entries = {name: script.RASTERIZERS[name] for name in ("exact (torch)", "torch.cumsum")}
    result = script.measure_memory(entries, "cpu", options())
    assert set(result["methods"]) == {"exact (torch)"}
    assert 0 <= result["methods"]["exact (torch)"]["mebibytes"] < 200
    assert script.memory_rows(result)[0][0] == "exact (torch)"


def test_a_process_that_takes_too_long_is_ended(script: ModuleType) -> None:
    given = script.in_new_process("exact (torch)", "cpu", options(memory_seconds=0.01))
    assert given == {"failed": "took too long"}
    assert script.memory_rows({"methods": {"a": given}}) == [["a", "not measured: took too long"]]


def test_an_error_is_sent_back(script: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[dict[str, Any]] = []

    def fail(*arguments: Any) -> int:
        raise MemoryError("too large\nfor this machine")

    monkeypatch.setattr(script, "peak", fail)
    script._child(SimpleNamespace(send=sent.append), "exact (torch)", "cpu", "2,16,8", 1, 0)
    assert sent == [{"failed": "MemoryError: too large"}]


@pytest.mark.skipif(sys.platform != "linux", reason="the peak can be reset on Linux only")
def test_a_known_amount_is_seen(script: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(script, "_job", lambda name, device, batch, *rest: lambda: torch.ones(batch * 2**19).sum())
    seen = script.peak("any", "cpu", "100,16,8", 0)
    assert seen == pytest.approx(200 * 2**20, rel=0.1)
    # What was freed before does not count.
    monkeypatch.setattr(script, "_job", lambda *given: lambda: torch.ones(2**20).sum())
    assert script.peak("any", "cpu", "2,16,8", 0) < 20 * 2**20
