# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from enum import Enum
from pathlib import Path

import pytest

from monai_acdr.apps.monailabel.images import check_id, check_tag, is_series_folder


class Tag(str, Enum):
    FINAL = "final"


@pytest.mark.parametrize("name", ["a", "1.2.840.1", "Ünï cödé", "a..b"])
def test_ids(name: str) -> None:
    assert check_id(name) == name


@pytest.mark.parametrize("name", ["", ".", "..", "../a", "a/b", "/a", "a\\b", ".hidden", "a\0b", "x" * 201])
def test_ids_that_lead_elsewhere(name: str) -> None:
    with pytest.raises(ValueError, match="Expected an image id that is a plain file name"):
        check_id(name)


def test_tags() -> None:
    assert check_tag("final") == "final" and check_tag(Tag.FINAL) == "final"
    for tag in ("", "..", "a/b", ".a", "a b", "x" * 65):
        with pytest.raises(ValueError, match="Expected a tag such as final"):
            check_tag(tag)


def test_series_folders(study: Path, tmp_path: Path) -> None:
    assert is_series_folder(study)
    assert not is_series_folder(study.parent)  # the files are below
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "a.txt").write_text("no image")
    assert not is_series_folder(tmp_path / "text")
    (tmp_path / ".hidden").symlink_to(study)
    assert not is_series_folder(tmp_path / ".hidden")
