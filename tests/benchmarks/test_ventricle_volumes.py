# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The comparison of volumes runs at a small size."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path


def test_one_synthetic_patient(tmp_path: Path) -> None:
    script = import_module("ventricle_volumes")
    output = tmp_path / "a.json"
    small = ["--patients", "1", "--slices", "3", "--phases", "4", "--roi", "center", "--threads", "1"]
    assert script.main([*small, "--output", str(output)]) == 0
    (result,) = json.loads(output.read_text())["results"].values()
    assert result["frames"] == 12
    for figures in (result["reference"], result["same_frames"], result["reported"]):
        assert figures["end_diastolic_volume_ml"] > figures["end_systolic_volume_ml"] > 0
    ratio = result["same_frames"]["end_diastolic_volume_ml"] / result["reference"]["end_diastolic_volume_ml"]
    assert 0.6 < ratio < 1.4
