# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Pictures on a sheet."""

from __future__ import annotations

import numpy as np
import pytest

from monai_acdr.visualize import contact_sheet


def test_sheet_places_pictures_row_by_row() -> None:
    pictures = [np.full((4, 6, 3), value, dtype=np.uint8) for value in (50, 100, 150)]
    sheet = contact_sheet(pictures, columns=2, gap=1)
    assert sheet.shape == (2 * 5 + 1, 2 * 7 + 1, 3)
    assert (sheet[1:5, 1:7] == 50).all()
    assert (sheet[1:5, 8:14] == 100).all()
    assert (sheet[6:10, 1:7] == 150).all()


def test_smaller_and_gray_pictures_are_centerd() -> None:
    sheet = contact_sheet([np.full((4, 4), 200, dtype=np.uint8), np.full((2, 2, 3), 99, dtype=np.uint8)], gap=0)
    assert sheet.shape == (4, 8, 3)
    assert (sheet[1:3, 5:7] == 99).all()
    assert (sheet == 99).all(axis=-1).sum() == 4


@pytest.mark.parametrize(
    ("images", "columns", "message"),
    [
        ([], 4, "at least one picture"),
        ([np.zeros((4, 4))], 4, "picture 0 to be uint8, but got float64"),
        ([np.zeros((4, 4, 4), dtype=np.uint8)], 4, r"but got \(4, 4, 4\)"),
        ([np.zeros((4, 4), dtype=np.uint8)], 0, "`columns` to be at least 1"),
    ],
)
def test_wrong_sheets(images: list, columns: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        contact_sheet(images, columns)


def test_captions_lie_below_their_pictures() -> None:
    pictures = [np.full((40, 90, 3), value, dtype=np.uint8) for value in (50, 100)]
    plain = contact_sheet(pictures, columns=1, gap=2)
    sheet = contact_sheet(
        pictures, columns=1, gap=2, captions=["slice 0", "x"], caption_colors=[(255, 0, 0), (0, 255, 0)]
    )
    assert sheet.shape == (plain.shape[0] + 2 * 18, plain.shape[1], 3)
    assert (sheet[2:42, 2:92] == 50).all() and (sheet[62:102, 2:92] == 100).all()
    first, second = sheet[42:60].astype(int), sheet[102:120].astype(int)
    assert (first[..., 0] > first[..., 1] + 100).any() and not (first[..., 1] > first[..., 0] + 100).any()
    assert (second[..., 1] > second[..., 0] + 100).any()
    several = contact_sheet(pictures, columns=1, gap=2, captions=["slice 1 of 12, phase 3 of 20", "x"])
    assert several.shape[0] - plain.shape[0] - 18 in (36, 54, 72)  # all of it, whatever the font
    assert (several[-60:-20, 2:92] == 100).all()
    assert (several[2:42, 2:92] == 50).all() and several[60:76, 2:92].max() > 150
    with pytest.raises(ValueError, match="`captions` for each of 2 pictures, but got 1"):
        contact_sheet(pictures, captions=["a"])
