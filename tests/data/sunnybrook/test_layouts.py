# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from monai_acdr.data import sunnybrook_data_list
from monai_acdr.data.sunnybrook.layouts import PATIENT_FOLDER, find_layout, path_part, scan_tree


def test_nothing_recognized(tmp_path: Path, miccai_tree: Path) -> None:
    with pytest.raises(FileNotFoundError, match="is not one: check `dataset_dir`"):
        sunnybrook_data_list(tmp_path / "absent")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="the folder is empty: unpack"):
        sunnybrook_data_list(tmp_path / "empty")
    (tmp_path / "empty" / "notes.txt").write_text("x")
    with pytest.raises(ValueError, match="found none. These were looked for:\n  link.*\n  png.*\n  miccai.*\n  atlas"):
        sunnybrook_data_list(tmp_path / "empty")
    with pytest.raises(ValueError, match="separate archives, unpack both"):
        sunnybrook_data_list(miccai_tree / "challenge_training")


def test_two_layouts_need_a_choice(miccai_tree: Path, png_tree: Path) -> None:
    with pytest.raises(ValueError, match=r"found \['png', 'miccai'\]: .* choose by `layout`"):
        sunnybrook_data_list(png_tree)
    assert len(sunnybrook_data_list(png_tree, layout="png")) == 2
    assert len(sunnybrook_data_list(miccai_tree, layout="miccai")) == 3


def test_contours_and_images_of_two_releases_are_recognized_apart(atlas_tree: Path, link_tree: Path) -> None:
    for root in (atlas_tree, link_tree):
        with pytest.raises(ValueError, match=r"found \['link', 'atlas'\]"):
            find_layout(root, scan_tree(root))
    for name in ("SCD_ManualContours", "SCD_IMAGES_01", "SCD_IMAGES_02"):
        shutil.rmtree(link_tree / name)
    assert find_layout(link_tree, scan_tree(link_tree)) == "link"
    assert path_part(Path("a/SC-N-1/b/SC-N-2/c"), PATIENT_FOLDER) == "SC-N-2"


def test_a_table_that_is_no_file_is_named(link_tree: Path) -> None:
    (link_tree / "link.csv").unlink()
    (link_tree / "link.csv").mkdir()
    with pytest.raises(ValueError, match=r"link\.csv is not a regular file: copy the table again"):
        sunnybrook_data_list(link_tree)
