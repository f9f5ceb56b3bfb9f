# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""PNG files: what is written comes back, whole or not at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from monai_acdr.visualize import save_png


def test_round_trip_and_replacement(tmp_path: Path) -> None:
    for seed in (0, 1):
        picture = np.random.default_rng(seed).integers(0, 256, (5, 7, 3), dtype=np.uint8)
        assert save_png(tmp_path / "a.png", picture) == tmp_path / "a.png"
        assert np.array_equal(np.asarray(Image.open(tmp_path / "a.png")), picture)
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_failure_leaves_the_earlier_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = np.zeros((3, 3), dtype=np.uint8)
    save_png(tmp_path / "a.png", picture)
    before = (tmp_path / "a.png").read_bytes()

    def fail(self: Image.Image, file: object, format: str) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(OSError, match="disk full"):
        save_png(tmp_path / "a.png", picture + 1)
    assert (tmp_path / "a.png").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_wrong_arguments(tmp_path: Path) -> None:
    picture = np.zeros((3, 3), dtype=np.uint8)
    with pytest.raises(ValueError, match="ending in .png, but got a.jpg"):
        save_png(tmp_path / "a.jpg", picture)
    with pytest.raises(ValueError, match=r"uint8 \(H, W, 3\) or \(H, W\), but got float64"):
        save_png(tmp_path / "a.png", picture.astype(float))
    with pytest.raises(FileNotFoundError, match="create it first"):
        save_png(tmp_path / "absent" / "a.png", picture)
