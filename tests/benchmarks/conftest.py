# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The scripts of benchmarks/ import each other as scripts do: their folder comes first on the path."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture(autouse=True)
def _as_script(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Scripts set the number of threads; other tests must not see it."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
