# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The benchmark of `segment` runs at a small size, and counts every decoding."""

from __future__ import annotations

import json
import multiprocessing.dummy
from importlib import import_module
from pathlib import Path

import pytest


@pytest.mark.slow
def test_a_small_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = import_module("segment_study")
    # a thread instead of a separate process per job, which would import torch and MONAI each time
    monkeypatch.setattr(script, "get_context", lambda _method: multiprocessing.dummy)
    output = tmp_path / "a.json"
    small = ["--slices", "2", "--phases", "3", "--rows", "128", "--repeats", "1", "--threads", "1"]
    assert script.main([*small, "--output", str(output)]) == 0
    results = json.loads(output.read_text())["results"]
    assert set(results) == set(script.JOBS)
    for result in results.values():
        assert result["frames"] == result["decoded"] == 6
        assert result["frames_per_second"] == pytest.approx(6 / result["seconds"]["median"])
