# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from monai_acdr.data.frame_checks import load_gray, load_mask

Writer = Callable[..., Path]


def test_dicom_and_png_keep_rows_first(tmp_path: Path, write_dicom: Writer, write_png: Writer) -> None:
    pixels = np.arange(15, dtype=np.int16).reshape(3, 5) - 4
    assert load_gray(write_dicom(tmp_path / "a.dcm", pixels=pixels)).tolist() == pixels.tolist()
    byte = (pixels + 4).astype(np.uint8)
    assert load_gray(write_png(tmp_path / "a.png", byte)).tolist() == byte.tolist()
    assert load_gray(write_png(tmp_path / "c.png", np.stack([byte] * 3, -1))).tolist() == byte.tolist()


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "I;16"])
def test_masks_of_every_mode(tmp_path: Path, mode: str) -> None:
    expected = np.array([[0, 1, 1], [0, 0, 1]], bool)
    if mode == "I;16":
        image = Image.fromarray(expected.astype(np.uint16) * 65535)
    else:
        image = Image.fromarray(expected.astype(np.uint8) * 255).convert(mode)
    image.save(tmp_path / "m.png")
    mask = load_mask(tmp_path / "m.png", (2, 3))
    assert mask.dtype == torch.float32
    assert mask.tolist() == expected.tolist()


def test_contour_becomes_its_coverage(tmp_path: Path) -> None:
    (tmp_path / "c.txt").write_text("0.5 -0.5\n2 -0.5\n2 0.5\n0.5 0.5\n")
    assert load_mask(tmp_path / "c.txt", (2, 4)).tolist() == [[0, 1, 0.5, 0], [0, 0, 0, 0]]


def test_several_frames_are_not_one(tmp_path: Path, write_dicom: Writer) -> None:
    stack = write_dicom(tmp_path / "s.dcm", pixels=np.zeros((2, 8, 8), np.int16), Rows=8, Columns=8, NumberOfFrames=2)
    with pytest.raises(ValueError, match=r"one image, but .*s\.dcm has 2 frames"):
        load_gray(stack)


def test_errors(tmp_path: Path, write_dicom: Writer, write_png: Writer) -> None:
    mask = write_png(tmp_path / "m.png", np.zeros((2, 3), np.uint8))
    with pytest.raises(ValueError, match=r"mask of \(3, 2\) pixels, but .* has \(2, 3\)"):
        load_mask(mask, (3, 2))
    cut = write_dicom(tmp_path / "s.dcm")
    cut.write_bytes(cut.read_bytes()[:-5])
    with pytest.raises(ValueError, match=r"s\.dcm holds .* truncated"):
        load_gray(cut)
    with pytest.raises(FileNotFoundError, match=r"absent\.dcm does not exist"):
        load_gray(tmp_path / "absent.dcm")
    with pytest.raises(FileNotFoundError, match=r"absent\.png does not exist"):
        load_mask(tmp_path / "absent.png", (2, 3))
