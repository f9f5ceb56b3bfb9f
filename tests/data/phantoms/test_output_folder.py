# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Generated folders: complete or absent, and never over somebody's own files."""

from __future__ import annotations

from pathlib import Path

import pytest

from monai_acdr.data.phantoms.output_folder import MANIFEST, replace_output


def write(folder: Path, text: str = "a") -> None:
    with replace_output(folder, {"seed": 1}) as partial:
        (partial / "dicoms").mkdir()
        (partial / "dicoms" / "1.dcm").write_text(text)
        (partial / "link.csv").write_text(text)


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_absent_folder_is_made_with_its_parents(tmp_path: Path) -> None:
    write(tmp_path / "new" / "deep")
    assert names(tmp_path / "new" / "deep") == ["dicoms", "dicoms/1.dcm", "link.csv", MANIFEST]


def test_empty_folder_is_filled(tmp_path: Path) -> None:
    write(tmp_path)
    assert (tmp_path / "link.csv").read_text() == "a"


def test_earlier_output_is_replaced(tmp_path: Path) -> None:
    write(tmp_path)
    with replace_output(tmp_path, {}) as partial:
        (partial / "link.csv").write_text("b")
    assert names(tmp_path) == ["link.csv", MANIFEST]
    assert (tmp_path / "link.csv").read_text() == "b"


def test_incomplete_earlier_output_is_replaced(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "link.csv").unlink()
    write(tmp_path, "b")
    assert (tmp_path / "link.csv").read_text() == "b"


def test_foreign_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="thesis.txt was not written by this generator: name another"):
        write(tmp_path)
    assert names(tmp_path) == ["thesis.txt"]


def test_file_added_to_an_earlier_output_is_refused(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "dicoms" / "model.pt").write_text("mine")
    with pytest.raises(FileExistsError, match="dicoms/model.pt was not written"):
        write(tmp_path, "b")
    assert (tmp_path / "link.csv").read_text() == "a"


def test_changed_file_is_refused(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "link.csv").write_text("corrected by hand")
    with pytest.raises(FileExistsError, match="link.csv was changed since"):
        write(tmp_path, "b")
    assert (tmp_path / "link.csv").read_text() == "corrected by hand"


def test_somebody_elses_manifest_is_refused(tmp_path: Path) -> None:
    (tmp_path / MANIFEST).write_text("[1, 2]")
    with pytest.raises(FileExistsError, match="phantom.json was not written by this generator"):
        write(tmp_path)
    assert names(tmp_path) == [MANIFEST]


def test_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "dicoms").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError, match="dicoms was not written"):
        write(tmp_path / "out")


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(FileExistsError, match="to be a folder, but it is a file"):
        write(tmp_path / "out")


def test_error_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="disk full"), replace_output(tmp_path / "new" / "deep", {}) as partial:
        (partial / "link.csv").write_text("half")
        raise RuntimeError("disk full")
    assert names(tmp_path) == []


def test_error_keeps_the_earlier_output(tmp_path: Path) -> None:
    write(tmp_path)
    before = names(tmp_path)
    with pytest.raises(RuntimeError, match="disk full"), replace_output(tmp_path, {}) as partial:
        (partial / "link.csv").write_text("half")
        raise RuntimeError("disk full")
    assert names(tmp_path) == before
    assert (tmp_path / "link.csv").read_text() == "a"
