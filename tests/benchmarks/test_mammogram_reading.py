# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The reading benchmark runs at a small size."""

from __future__ import annotations

import json
import multiprocessing.dummy
from importlib import import_module
from pathlib import Path

import pytest


def test_small_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("imagecodecs", reason="pip install 'monai_acdr[ddsm]'")
    script = import_module("mammogram_reading")
    # a thread instead of a separate process per job, which would import torch and MONAI each time
    monkeypatch.setattr(script, "get_context", lambda _method: multiprocessing.dummy)
    output = tmp_path / "a.json"
    sizes = ["--size", "128", "104", "--film-size", "80", "64"]
    assert script.main([*sizes, "--repeats", "2", "--warmup", "0", "--output", str(output)]) == 0
    results = json.loads(output.read_text())["results"]
    assert set(results) == set(script.JOBS)
    for result in results.values():
        assert result["target_met"]
        assert len(result["samples"]) == 2
        assert 0 <= result["peak_mib"] < result["process_mib"]
