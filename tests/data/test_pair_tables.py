# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Rows of a table and their files."""

from __future__ import annotations

from pathlib import Path

import pytest

from monai_acdr.data.pair_sources import pairs_of_table
from monai_acdr.data.report import QualityReport


def _tree(root: Path, table: str, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    (root / "t.csv").write_text(table)
    return root / "t.csv"


def test_files_of_rows(tmp_path: Path) -> None:
    files = [f"{kind}/{name}.png" for kind in ("images", "masks") for name in ("a", "b", "c", "d")]
    rows = "b.png,1,x\nimages/a.png,1,y\nc,0,x\n../d.png,1,x\nz.png,1,x\n"
    table = _tree(tmp_path, "file,mass_like,Patient ID\n" + rows, *files)
    report = QualityReport()
    pairs = pairs_of_table(tmp_path, table, {"mass_like": 1}, report)
    assert [(pair.image.name, pair.mask.name, pair.row["patient"]) for pair in pairs] == [
        ("a.png", "a.png", "y"),
        ("b.png", "b.png", "x"),
    ]
    assert report.kinds() == {"annotation_without_image": 1, "invalid_row": 1, "not_in_table": 1}
    assert report.of("invalid_row")[0].subject == "t.csv, row 4"
    assert len(pairs_of_table(tmp_path, table, {"mass_like": ["0", "1"], "patient_id": "x"}, QualityReport())) == 2


def test_named_masks(tmp_path: Path) -> None:
    table = _tree(
        tmp_path,
        "image,mask\nimages/one.png,masks/p.png\none.png,q.png\none.png,../q.png\none.png,none.png\n",
        *("images/one.png", "masks/p.png", "masks/q.png", "q.png"),
    )
    report = QualityReport()
    pairs = pairs_of_table(tmp_path, table, {}, report)
    assert [pair.mask.relative_to(tmp_path).as_posix() for pair in pairs] == ["masks/p.png", "q.png"]
    assert report.kinds() == {"annotation_without_image": 1, "invalid_row": 1, "not_in_table": 1}
    assert report.of("not_in_table")[0].subject == "masks/q.png"


def test_one_name_in_two_groups(tmp_path: Path) -> None:
    files = [f"{group}/{kind}/a.png" for group in ("train", "test") for kind in ("images", "masks")]
    table = _tree(tmp_path, "image,group\na.png,training\ntest/images/a.png,\na.png,\n", *files)
    report = QualityReport()
    pairs = pairs_of_table(tmp_path, table, {}, report)
    assert [(pair.group, pair.image.parts[-3]) for pair in pairs] == [("test", "test"), ("training", "train")]
    assert report.kinds() == {"invalid_row": 1}


def test_columns(tmp_path: Path) -> None:
    table = _tree(tmp_path, "picture,patient\na.png,1\n")
    with pytest.raises(ValueError, match="a column `image` or `file`"):
        pairs_of_table(tmp_path, table, {}, QualityReport())
    table = _tree(tmp_path, "image,patient\na.png,1\n")
    with pytest.raises(ValueError, match=r"Expected `row_filter` to name columns .*but got \['mass'\]"):
        pairs_of_table(tmp_path, table, {"mass": "1"}, QualityReport())


def test_a_table_with_masks_cut_off(tmp_path: Path) -> None:
    files = [f"{kind}/{name}.png" for kind in ("images", "masks") for name in ("a", "b")]
    table = _tree(tmp_path, "image,mask\na.png,a.png\n", *files, "thumbnails/a.png")
    report = QualityReport()
    assert len(pairs_of_table(tmp_path, table, {}, report)) == 1
    assert {(finding.kind, finding.subject) for finding in report.findings} == {
        ("not_in_table", "images/b.png"),
        ("not_in_table", "masks/b.png"),
    }
