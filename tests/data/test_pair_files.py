# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Images and their masks by name or order."""

from __future__ import annotations

from pathlib import Path

import pytest

from monai_acdr.data.pair_files import find_pairs, pair_key
from monai_acdr.data.report import QualityReport


def _tree(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def _found(root: Path, report: QualityReport | None = None) -> list[tuple[str, str, str]]:
    pairs = find_pairs(root, report or QualityReport())
    return [(p.image.relative_to(root).as_posix(), p.mask.relative_to(root).as_posix(), p.group) for p in pairs]


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("a.png", "a"),
        ("a_mask.png", "a"),
        ("mask-a.png", "a"),
        ("building_mask_001.tif", "building_001"),
        ("unmasked_1.png", "unmasked_1"),
        ("mask.png", "mask"),
    ],
)
def test_keys(name: str, key: str) -> None:
    assert pair_key(name) == key


def test_two_folders(tmp_path: Path) -> None:
    report = QualityReport()
    _tree(tmp_path, "images/a10.jpg", "images/a9.jpg", "images/b.png", "images/c.png", "images/c.jpg", "images/x.txt")
    _tree(tmp_path, "masks/a9.png", "masks/a10_mask.png", "masks/c.png", "masks/d.png", "notes.csv")
    assert _found(tmp_path, report) == [
        ("images/a9.jpg", "masks/a9.png", ""),
        ("images/a10.jpg", "masks/a10_mask.png", ""),
        ("images/c.jpg", "masks/c.png", ""),
    ]
    assert report.kinds() == {"ambiguous_pair": 1, "frame_without_mask": 1, "mask_without_image": 1}


def test_groups(tmp_path: Path) -> None:
    _tree(tmp_path, "train/Images/a.png", "train/Masks/a.png", "test/images/a.png", "test/masks/a_mask.png")
    assert _found(tmp_path) == [
        ("test/images/a.png", "test/masks/a_mask.png", "test"),
        ("train/Images/a.png", "train/Masks/a.png", "train"),
    ]


def test_one_folder(tmp_path: Path) -> None:
    _tree(tmp_path, "building_001.tif", "building_mask_001.tif", "building_002.tif", "x.png", "x_mask.png")
    report = QualityReport()
    assert [pair[:2] for pair in _found(tmp_path, report)] == [
        ("building_001.tif", "building_mask_001.tif"),
        ("x.png", "x_mask.png"),
    ]
    assert report.kinds() == {"frame_without_mask": 1}


def test_by_order(tmp_path: Path) -> None:
    report = QualityReport()
    _tree(tmp_path, "images/img10.png", "images/img9.png", "masks/seg1.png", "masks/seg2.png")
    assert [pair[:2] for pair in _found(tmp_path, report)] == [
        ("images/img9.png", "masks/seg1.png"),
        ("images/img10.png", "masks/seg2.png"),
    ]
    assert report.kinds() == {"paired_by_order": 1}
    _tree(tmp_path, "masks/seg3.png")
    with pytest.raises(ValueError, match=r"2 images such as img9.png and 3 masks such as seg1.png"):
        _found(tmp_path)
