# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The scripts of experiments/ import each other as scripts do: their folder comes first on the path."""

from __future__ import annotations

from pathlib import Path

import pytest

EXPERIMENTS = Path(__file__).resolve().parents[2] / "experiments"


@pytest.fixture(autouse=True)
def _as_script(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(EXPERIMENTS))
