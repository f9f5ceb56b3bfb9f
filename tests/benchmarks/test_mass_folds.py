# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Cross-validation of masses runs at a tiny size, and measures both networks on the same cases."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path

from PIL import Image

from monai_acdr.data.phantoms import write_pair_folder


def test_two_folds(tmp_path: Path) -> None:
    data = write_pair_folder(tmp_path / "data", num_patients=4)
    output = tmp_path / "folds.json"
    tiny = ["--folds", "2", "--epochs", "1", "--channels", "4", "8", "--batch-size", "4"]
    assert import_module("mass_folds").main(["--dataset-dir", str(data), *tiny, "--output", str(output)]) == 0
    results = json.loads(output.read_text())["results"]
    names = [[case["name"] for case in results["cases"][kind]] for kind in ("contour", "pixel-wise")]
    assert names[0] == names[1]
    assert len(set(names[0])) == len(names[0]) > 0
    assert results["summaries"]["contour"]["num_cases"] == len(names[0])
    assert Image.open(output.with_suffix(".png")).size[0] > 100
