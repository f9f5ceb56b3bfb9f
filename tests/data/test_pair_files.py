# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Images and their masks by name or order."""

from __future__ import annotations

from pathlib import Path

import pytest

from monai_acdr.data.pair_sources import find_pairs, pair_key
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
        ("ISIC_0000001_segmentation.png", "ISIC_0000001"),
        ("x-mask.nii.gz", "x"),
        ("x_gt.tif", "x"),
        ("x_seg.bmp", "x"),
        ("x_label.png", "x"),
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


@pytest.mark.parametrize("name", ["a.JPG", "a.jfif", "a.jpe", "a.Jpeg"])
def test_names_of_jpeg_files(tmp_path: Path, name: str) -> None:
    for place in (f"images/{name}", "masks/a.png"):
        (tmp_path / place).parent.mkdir()
        (tmp_path / place).touch()
    assert [pair.image.name for pair in find_pairs(tmp_path, QualityReport())] == [name]


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


@pytest.mark.parametrize(
    "masks",
    ["masks", "Mask", "labels", "LABEL", "annotations", "annotation", "gt", "ground_truth", "segmentations", "seg"],
)
def test_names_of_folders(tmp_path: Path, masks: str) -> None:
    _tree(tmp_path, "Images/a.png", f"{masks}/a.png")
    report = QualityReport()
    assert _found(tmp_path, report) == [("Images/a.png", f"{masks}/a.png", "")]
    assert not report.findings


def test_nnunet(tmp_path: Path) -> None:
    _tree(tmp_path, "imagesTr/a_0000.png", "imagesTr/a_0001.png", "imagesTr/b_0000.nii.gz", "labelsTr/a.png")
    _tree(tmp_path, "labelsTr/b.nii.gz", "imagesTs/c_0000.png", "imagesTs/d_0000.png")
    report = QualityReport()
    assert _found(tmp_path, report) == [
        ("imagesTr/a_0000.png", "labelsTr/a.png", "training"),
        ("imagesTr/b_0000.nii.gz", "labelsTr/b.nii.gz", "training"),
    ]
    assert report.kinds() == {"other_channel": 1}
    assert report.notes == ["imagesTs: 2 images without masks"]
    _tree(tmp_path, "labelsTs/c.png")
    assert ("imagesTs/c_0000.png", "labelsTs/c.png", "test") in _found(tmp_path)


def test_folders_in_folders(tmp_path: Path) -> None:
    _tree(tmp_path, "images/Training/a.png", "labels/Training/a.png", "images/valid/b.png", "labels/valid/b.png")
    assert [pair[2] for pair in _found(tmp_path)] == ["Training", "valid"]


def test_folders_of_classes_are_no_groups(tmp_path: Path) -> None:
    _tree(tmp_path, "benign/a.png", "benign/a_mask.png", "malignant/a.png", "malignant/a_mask.png")
    assert [pair[2] for pair in _found(tmp_path)] == ["", ""]
    assert [pair.row["folder"] for pair in find_pairs(tmp_path, QualityReport())] == ["benign", "malignant"]


def test_images_beside_the_folder_of_masks(tmp_path: Path) -> None:
    report = QualityReport()
    _tree(tmp_path, "a.png", "b.png", "masks/a.png", "masks/c.png", "labels/a.png", "labels/notes.txt")
    assert _found(tmp_path, report) == [("a.png", "masks/a.png", "")]
    assert report.kinds() == {"frame_without_mask": 1, "mask_without_image": 1}
    assert report.notes == ["masks has the masks; not used: labels"]


def test_several_masks_of_an_image(tmp_path: Path) -> None:
    names = ("benign (1).png", "benign (1)_mask.png", "benign (1)_mask_1.png", "benign (2).png", "benign (2)_mask.png")
    report = QualityReport()
    _tree(tmp_path / "busi", *names, "benign (3)_mask_1.png")
    assert [mask for _, mask, _ in _found(tmp_path / "busi", report)] == list(names[1:3]) + [names[4]]
    assert report.kinds() == {"mask_without_image": 1}
    _tree(tmp_path / "dsb", "a/images/a.png", "a/masks/x.png", "a/masks/y.png", "b/images/b.png", "b/masks/z.png")
    assert [pair[:2] for pair in _found(tmp_path / "dsb")] == [
        ("a/images/a.png", "a/masks/x.png"),
        ("a/images/a.png", "a/masks/y.png"),
        ("b/images/b.png", "b/masks/z.png"),
    ]


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
