# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
from importlib.metadata import version

import pytest

from monai_acdr import __version__
from monai_acdr.apps import info, installation
from monai_acdr.bundle import bundle_names


def test_what_is_there() -> None:
    record = info()
    assert record["version"] == __version__
    assert record["packages"]["torch"] == version("torch")
    assert "numba" not in record["packages"]  # of an extra
    assert record["devices"][0] == "cpu"
    assert "torch" in record["rasterizers"]["cpu"]
    assert [bundle["name"] for bundle in record["bundles"]] == bundle_names()
    weights = {bundle["name"]: bundle["weights_sha256"] for bundle in record["bundles"]}
    assert len(weights["sunnybrook_lv_acdr"]) == 64
    json.dumps(record)


def test_missing_extras_name_their_command(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ["torch>=2.6", "numba>=0.61; extra == 'two-words'", 'nothing_here>=1; extra == "two-words"']
    monkeypatch.setattr(installation, "requires", lambda _name: [*lines, 'monai_acdr[fast]; extra == "all"'])
    record = info()
    assert list(record["packages"]) == ["torch"]
    assert list(record["extras"]) == ["two-words"]
    extra = record["extras"]["two-words"]
    assert list(extra["installed"]) == ["numba"]
    assert extra["missing"] == ["nothing_here"]
    assert extra["command"] == "pip install 'monai_acdr[two-words]'"
