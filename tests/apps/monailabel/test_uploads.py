# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from monai_acdr.apps.monailabel.model_store import PREFIX, discarding, use_own_temporary_folder


@pytest.fixture(autouse=True)
def temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def test_one_folder_that_nobody_else_reads(tmp_path: Path) -> None:
    folder = use_own_temporary_folder()
    assert folder.parent == tmp_path and Path(tempfile.gettempdir()) == folder
    assert use_own_temporary_folder() == folder
    assert folder.stat().st_mode & 0o077 == 0
    with tempfile.NamedTemporaryFile() as file:
        assert Path(file.name).parent == folder


def test_it_goes_with_the_process_and_the_next_one_removes_what_was_left(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    left = tmp_path / f"{PREFIX}{done.stdout.strip()}-abc"
    running, other = tmp_path / f"{PREFIX}{os.getppid()}-abc", tmp_path / f"{PREFIX}other"
    for folder in (left, running, other):
        folder.mkdir()
    code = (
        "from monai_acdr.apps.monailabel.model_store import use_own_temporary_folder as use\n"
        "folder = use(); (folder / 'a').write_text('x'); print(folder)"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert not Path(done.stdout.strip()).exists()
    assert not left.exists() and running.exists() and other.exists()


def test_uploads_go_when_their_request_fails(tmp_path: Path) -> None:
    inside, outside = tmp_path / "a", tmp_path / "b" / "a"
    outside.parent.mkdir()
    inside.write_text("x")
    outside.write_text("x")
    for path in (inside, outside, ""):
        with pytest.raises(ValueError, match="wrong"), discarding(path):
            raise ValueError("wrong")
    assert not inside.exists() and outside.exists()
    inside.write_text("x")
    with discarding(inside):
        pass
    assert inside.exists()
