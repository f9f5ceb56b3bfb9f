# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from monai_acdr.apps.monailabel.app_folder import default_folder, make_app_folder


def test_it_imports_the_app(tmp_path: Path) -> None:
    folder = make_app_folder(tmp_path / "a" / "b")
    tree = ast.parse((folder / "main.py").read_text())
    (found,) = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    assert (found.module, found.names[0].name) == ("monai_acdr.apps.monailabel.server", "MyApp")


def test_models_stay_and_code_is_brought_up_to_date(tmp_path: Path) -> None:
    folder = make_app_folder(tmp_path)
    (folder / "model").mkdir()
    (folder / "main.py").write_text("from monai_acdr.apps.monailabel.old import MyApp\n")
    assert make_app_folder(tmp_path) == folder and make_app_folder(tmp_path) == folder
    assert "monailabel.server" in (folder / "main.py").read_text() and (folder / "model").is_dir()


def test_other_apps_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("class MyApp: ...\n")
    with pytest.raises(FileExistsError, match="Expected a folder without another app"):
        make_app_folder(tmp_path)
    with pytest.raises(FileExistsError, match="is a file: choose another --folder"):
        make_app_folder(tmp_path / "main.py")


def test_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert default_folder() == tmp_path / "monai_acdr" / "label-app"
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    assert default_folder() == tmp_path / "home" / ".local" / "share" / "monai_acdr" / "label-app"
