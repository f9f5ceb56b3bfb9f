# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Mask files as binary masks and outlines."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given
from PIL import Image
from scipy import ndimage

from monai_acdr.data.mask_outline import MaskOutline, file_size, fit_mask, object_outlines, read_mask
from monai_acdr.transforms.contour import contour_to_mask


def _two_objects() -> np.ndarray:
    mask = np.zeros((20, 30), dtype=bool)
    mask[2:8, 3:12] = mask[12:20, 22:30] = True  # the second touches two borders
    mask[14:16, 24:26] = False
    return mask


def _save(path: Path, values: np.ndarray) -> Path:
    Image.fromarray(values).save(path)
    return path


@pytest.mark.parametrize(
    ("name", "dtype", "value"),
    [("m.png", np.uint8, 1), ("m.tif", np.uint8, 255), ("m.png", np.uint16, 65535), ("m.bmp", np.uint8, 255)],
)
def test_values_and_formats(tmp_path: Path, name: str, dtype: type, value: int) -> None:
    path = _save(tmp_path / name, _two_objects().astype(dtype) * dtype(value))
    assert file_size(path) == (20, 30)
    assert np.array_equal(read_mask(path), _two_objects())


def test_color_and_losses(tmp_path: Path) -> None:
    color = np.repeat(_two_objects()[..., None] * np.uint8(255), 3, axis=2)
    assert np.array_equal(read_mask(_save(tmp_path / "m.png", color)), _two_objects())
    assert np.array_equal(read_mask(_save(tmp_path / "m.jpg", color)), _two_objects())


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((4, 4), np.uint8), "is empty"),
        (np.full((4, 4), 255, np.uint8), "every pixel is set"),
        (np.arange(16, dtype=np.uint8).reshape(4, 4), "mask of two values"),
    ],
)
def test_what_is_no_mask(tmp_path: Path, values: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_mask(_save(tmp_path / "m.png", values))


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="a.png does not exist"):
        read_mask(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"b.png cannot be read .*copy it again"):
        read_mask(tmp_path / "b.png")
    noise = np.random.default_rng(0).integers(0, 2, (200, 200)).astype(np.uint8) * 255
    path = _save(tmp_path / "c.png", noise)
    path.write_bytes(path.read_bytes()[:900])
    with pytest.raises(ValueError, match=r"c.png cannot be read .*copy it again"):
        read_mask(path)


@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 12), st.integers(1, 12))
def test_nearest(height: int, width: int, rows: int, columns: int) -> None:
    mask = np.random.default_rng([height, width]).integers(0, 2, (height, width)).astype(bool)
    fitted = fit_mask(mask, (rows, columns))
    expected = [
        [mask[(2 * r + 1) * height // (2 * rows), (2 * c + 1) * width // (2 * columns)] for c in range(columns)]
        for r in range(rows)
    ]
    assert np.array_equal(fitted, expected)


def test_outlines_are_the_objects() -> None:
    mask = _two_objects()
    outlines = object_outlines(mask)
    labels, number = ndimage.label(ndimage.binary_fill_holes(mask))
    assert len(outlines) == number == 2
    for outline, label in zip(outlines, (2, 1), strict=True):  # largest first
        drawn = contour_to_mask(torch.from_numpy(outline), mask.shape, threshold=0.5)[0].numpy()
        assert np.array_equal(drawn, labels == label)
        assert outline.min() >= 0
        assert (outline <= (30, 20)).all()


def test_lazy_outline(tmp_path: Path) -> None:
    path = tmp_path / "m.png"
    outline = MaskOutline(str(path), (20, 30))
    assert pickle.loads(pickle.dumps(outline)) == copy.deepcopy(outline) == outline
    with pytest.raises(FileNotFoundError, match="m.png does not exist"):
        np.asarray(outline)
    _save(path, fit_mask(_two_objects(), (40, 60)).astype(np.uint8) * 255)
    assert np.array_equal(outline.mask(), _two_objects())
    assert np.array_equal(np.asarray(outline), object_outlines(_two_objects())[0])
    assert np.asarray(outline, dtype=np.float32).dtype == np.float32


def test_nothing_left_after_resizing(tmp_path: Path) -> None:
    mask = np.zeros((40, 40), np.uint8)
    mask[0, 0] = 255
    with pytest.raises(ValueError, match="nothing is left"):
        MaskOutline(str(_save(tmp_path / "m.png", mask)), (4, 4)).mask()
