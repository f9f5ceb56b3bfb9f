# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from PIL import Image

from monai_acdr.data import LoadImageD, LoadImaged, LoadImageDict, PictureReader


def test_reads_as_monai_s_without_a_warning(tmp_path: Path) -> None:
    values = np.arange(12, dtype=np.uint8).reshape(3, 4)
    Image.fromarray(values).save(tmp_path / "a.png")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load = LoadImaged("image", reader=PictureReader())
    np.testing.assert_array_equal(load({"image": tmp_path / "a.png"})["image"], values)
    assert LoadImageD is LoadImageDict is LoadImaged
