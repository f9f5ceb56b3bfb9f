# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The comparison of exported files runs at a small size."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path

from monai_acdr.data import example_study


def test_one_format_on_one_frame(tmp_path: Path) -> None:
    script = import_module("export_parity")
    frame, output = next(example_study().rglob("120.dcm")), tmp_path / "a.json"
    words = ["--bundles", f"inbreast_mass_acdr={frame}", "--formats", "torchscript", "--output", str(output)]
    assert script.main(words) == 0
    record = json.loads(output.read_text())
    facts = record["results"]["inbreast_mass_acdr"]["torchscript"]
    assert facts["crops"] == 1 and facts["max_difference_px"] <= facts["limit_px"] and facts["bytes"] > 1e6
    (row,) = record["tables"]["files"]["rows"]
    assert row[:2] == ["`inbreast_mass_acdr`", "torchscript"] and row[5] == "64, 96, 128"
    assert str(tmp_path) not in output.read_text() and str(frame.parent) not in output.read_text()
