# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage


def test_touching_nuclei_are_objects_of_their_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, side in (("a", 256), ("b", 128), ("c", 256), ("d", 256)):
        folder = tmp_path / "stage1_train" / name
        for kind in ("images", "masks"):
            (folder / kind).mkdir(parents=True)
        Image.fromarray(np.zeros((side, side), dtype=np.uint8)).save(folder / "images" / f"{name}.png")
        for number, columns in enumerate((slice(10, 20), slice(20, 40), slice(60, 70))):
            mask = np.zeros((side, side), dtype=np.uint8)
            mask[10:30, columns] = 255
            Image.fromarray(mask).save(folder / "masks" / f"{number}.png")
    target = tmp_path / "pairs"
    assert import_module("nuclei_pairs").main([str(tmp_path / "stage1_train"), str(target), "--number", "2"]) == 0
    assert capsys.readouterr().out.startswith("2 pairs")
    assert sorted(path.name for path in (target / "images").iterdir()) == ["a.png", "c.png"]
    found, count = ndimage.label(np.asarray(Image.open(target / "masks" / "c.png")), np.ones((3, 3)))
    assert count == 3 and np.bincount(found.ravel())[1:].tolist() == [20 * 9, 20 * 19, 20 * 10]
