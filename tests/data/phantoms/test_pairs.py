# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Synthetic folders of pairs."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from monai_acdr.data.phantoms.pairs import write_pair_folder


def test_table(tmp_path: Path) -> None:
    root = write_pair_folder(tmp_path / "a", num_patients=2, size=(64, 52))
    again = write_pair_folder(tmp_path / "b", num_patients=2, size=(64, 52))
    with open(root / "index.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["file"] for row in rows] == ["P1_L_CC.png", "P1_L_MLO.png", "P2_R_CC.png", "P2_R_MLO.png"]
    for row in rows:
        image, mask = (np.asarray(Image.open(root / kind / row["file"])) for kind in ("images", "masks"))
        assert image.shape == mask.shape == (64, 52)
        assert set(np.unique(mask)) == {0, 255}
        assert (root / "images" / row["file"]).read_bytes() == (again / "images" / row["file"]).read_bytes()


@pytest.mark.parametrize(("layout", "name", "value"), [("vaihingen", "001.tif", 255), ("bing", "000.png", 65535)])
def test_buildings(tmp_path: Path, layout: str, name: str, value: int) -> None:
    root = write_pair_folder(tmp_path / "a", num_patients=1, size=(64, 80), layout=layout)
    assert np.asarray(Image.open(root / f"building_{name}")).shape == (64, 80, 3)
    assert np.unique(np.asarray(Image.open(root / f"building_mask_{name}"))).tolist() == [0, value]


def test_arguments(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Expected `layout` to be one of"):
        write_pair_folder(tmp_path / "a", layout="other")
    with pytest.raises(ValueError, match="Expected `num_patients` >= 1"):
        write_pair_folder(tmp_path / "a", num_patients=0)
